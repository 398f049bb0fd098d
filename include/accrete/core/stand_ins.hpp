#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/precision.hpp>
#include <accrete/core/tensor.hpp>

#include <string_view>

namespace accrete::detail {

/// An executor that runs nothing: what concepts ask policies about when they promise "for any executor", since declarations do not need bodies.
struct AnyExecutor {
  struct PackedWeights {};
  using Memory = HostMemory;
  static constexpr std::string_view name = "any";
  Precision precision = Precision::float32;
  void wait() const {}
};
static_assert(Executor<AnyExecutor>);

/// The same for what is written to a file and read from it.
struct SomeWriter {};
struct SomeReader {};

}  // namespace accrete::detail
