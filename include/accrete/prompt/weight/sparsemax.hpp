#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/prompt/weight/concept.hpp>
#include <accrete/prompt/weight/scaled.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// The point of the simplex nearest to the scores; few weights are above 0:
///   p = gain * max(x - tau, 0),   x = z / temperature,   tau such that the weights sum to the gain
/// With one weight left above 0 its gradient is zero everywhere: the temperature decides whether anything is learned.
/// @source Martins, Astudillo, "From Softmax to Sparsemax", ICML 2016, arXiv:1602.02068; as weights of CODA-Prompt our extension
struct SparsemaxWeights {
  static constexpr std::string_view name = "sparsemax";

  double temperature = 0.1;
  double gain = 1.0;

  /// Arguments and errors as of `detail::scaled_forward`. Cost: a sort
  template <class T>
  void forward(NonDeduced<std::span<T const>> z, std::span<T> p) const {
    detail::scaled_forward<SparsemaxWeights, T>(*this, z, p);
  }
  /// Arguments and errors as of `detail::scaled_backward`. Cost: 5 M flop
  template <class T>
  void backward(NonDeduced<std::span<T const>> p, NonDeduced<std::span<T const>> g, std::span<T> dz) const {
    detail::scaled_backward<SparsemaxWeights, T>(*this, p, g, dz);
  }

  /// p_i = max(x_i - tau, 0),   tau = (x_(1) + ... + x_(rho) - 1) / rho,   rho the largest r with 1 + r x_(r) > x_(1) + ... + x_(r)
  static void project(std::span<double> x) {
    std::vector<double> sorted(x.begin(), x.end());
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    double sum = 0.0;
    double tau = 0.0;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      auto const r = static_cast<double>(i + 1);
      sum += sorted[i];
      if (!(1.0 + r * sorted[i] > sum)) { break; }
      tau = (sum - 1.0) / r;
    }
    for (double& value : x) { value = std::max(value - tau, 0.0); }
  }
  [[nodiscard]] static double slope(double p) { return p != 0.0 ? 1.0 : 0.0; }

  [[nodiscard]] static std::vector<Setting<SparsemaxWeights>> settings() { return detail::scale_settings<SparsemaxWeights>(); }
};
static_assert(WeightMap<SparsemaxWeights> && ScaledProjection<SparsemaxWeights>);

}  // namespace accrete
