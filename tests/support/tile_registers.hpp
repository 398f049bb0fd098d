#pragma once

#include <accrete/config.hpp>
#include <accrete/host/amx.hpp>

namespace accrete::test {

/// Whether kernels for tile registers can run: where they are not compiled in, a plain loop of the same meaning does.
[[nodiscard]] inline bool tile_registers_run() { return ACCRETE_WITH_AMX == 0 || host::amx::available(); }

}  // namespace accrete::test
