#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/prompt/weight/concept.hpp>
#include <accrete/prompt/weight/scaled.hpp>

#include <cmath>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// Weights that compete, every one of them above 0:
///   p = gain * softmax(z / temperature)
/// @source specification: prompt-methods.md §0.4; as weights of CODA-Prompt our extension
struct SoftmaxWeights {
  static constexpr std::string_view name = "softmax";

  double temperature = 0.1;
  double gain = 1.0;

  /// Arguments and errors as of `detail::scaled_forward`. Cost: M exponentials
  template <class T>
  void forward(NonDeduced<std::span<T const>> z, std::span<T> p) const {
    detail::scaled_forward<SoftmaxWeights, T>(*this, z, p);
  }
  /// Arguments and errors as of `detail::scaled_backward`. Cost: 5 M flop
  template <class T>
  void backward(NonDeduced<std::span<T const>> p, NonDeduced<std::span<T const>> g, std::span<T> dz) const {
    detail::scaled_backward<SoftmaxWeights, T>(*this, p, g, dz);
  }

  /// p_i = exp(x_i) / sum_j exp(x_j)
  static void project(std::span<double> x) {
    double sum = 0.0;
    for (double& value : x) {
      value = std::exp(value);
      sum += value;
    }
    for (double& value : x) { value /= sum; }
  }
  [[nodiscard]] static double slope(double p) { return p; }

  [[nodiscard]] static std::vector<Setting<SoftmaxWeights>> settings() { return detail::scale_settings<SoftmaxWeights>(); }
};
static_assert(WeightMap<SoftmaxWeights> && ScaledProjection<SoftmaxWeights>);

}  // namespace accrete
