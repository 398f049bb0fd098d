#pragma once

#include <accrete/io/safetensors.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace accrete::test {

/// Path of a file in tests/golden (README.md there says what made it).
[[nodiscard]] inline std::filesystem::path golden_path(std::string_view file) { return std::filesystem::path(ACCRETE_GOLDEN_DIR) / file; }

/// The golden values `name`.safetensors.
[[nodiscard]] inline SafetensorsFile golden(std::string_view name) { return SafetensorsFile::open(golden_path(std::string(name) + ".safetensors")); }

}  // namespace accrete::test
