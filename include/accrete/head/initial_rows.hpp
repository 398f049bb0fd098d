#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>

#include <cmath>
#include <cstdint>

namespace accrete {

/// How the rows of a new task begin.
///   normal   N(0, 0.02^2), biases 0 (timm; its truncation at +-2 removes nothing)
///   uniform  U(-1 / sqrt L, 1 / sqrt L), biases as well (PyTorch's linear layer)
///   zeros    0; what lies below the head then gets no gradient in the first step of a task
///   narrow   N(0, 0.001^2), biases 0 (LAE)
///   fan_out  N(0, 2 / C), biases -ln 99, C all classes there will be (VPT, DAP)
enum class InitialRows { normal, uniform, zeros, narrow, fan_out };

namespace detail {

/// The stream that draws the rows of a task: what a row begins with does not depend on the tasks before it.
[[nodiscard]] inline Rng row_stream(std::uint64_t seed, Index task, std::uint64_t object) {
  return Rng({.seed = seed, .purpose = Purpose::initialisation, .task = static_cast<std::uint32_t>(task), .object = object});
}

inline void draw_normal(Rng const& random, float deviation, VectorView<float> out) {
  random.fill_normal(0, out);
  for (float& x : out) { x *= deviation; }
}

/// U(-bound, bound)
inline void draw_uniform(Rng const& random, double bound, VectorView<float> out) {
  for (Index i = 0; i < out.size(); ++i) { out[i] = static_cast<float>(bound * (2.0 * random.uniform(static_cast<std::uint64_t>(i)) - 1.0)); }
}

}  // namespace detail

}  // namespace accrete
