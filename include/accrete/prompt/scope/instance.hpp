#pragma once

#include <accrete/core/tensor.hpp>

#include <string_view>

namespace accrete {

/// What a sample is given depends on that sample alone.
struct Instance {
  static constexpr std::string_view name = "instance";
  static constexpr bool batch_dependent = false;
  static void agree(MatrixView<Index> /*chosen*/, Index /*slots*/) {}
};

}  // namespace accrete
