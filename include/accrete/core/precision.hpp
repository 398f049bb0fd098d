#pragma once

#include <string_view>

namespace accrete {

/// What the frozen trunk's products multiply. Accumulation is float32 either way; statistics and solves are float64.
enum class Precision { float32, bfloat16 };

[[nodiscard]] constexpr std::string_view name_of(Precision precision) { return precision == Precision::float32 ? "float32" : "bfloat16"; }

}  // namespace accrete
