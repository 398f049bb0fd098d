#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/parts.hpp>

namespace accrete::detail {

/// Calls body(first, count) for ranges that cover [0, total) once: of numbers in host memory, whatever the executor, each moved by what stands in its own place alone.
/// Threads of the processor share them where there are enough.
template <class Exec, class Body>
void for_number_ranges(Exec const& exec, Index total, Body const& body) {
  constexpr Index at_once = Index{1} << 15;
  if (total < 2 * at_once) { return body(Index{0}, total); }
  kernels::for_parts(exec, total, at_once, [&](Exec const& /*own*/, Index first, Index count) { body(first, count); });
}

}  // namespace accrete::detail
