#pragma once

#include <string_view>

namespace accrete {

/// What the trunk's products multiply. Accumulation is float32 for the first two; statistics and solves are float64 always.
/// float64 exists to check gradients with, and only where `docs/executors.md` says so.
enum class Precision { float32, bfloat16, float64 };

[[nodiscard]] constexpr std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::float32: return "float32";
    case Precision::bfloat16: return "bfloat16";
    case Precision::float64: return "float64";
  }
  return "";
}

}  // namespace accrete
