#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/prompt/weight/concept.hpp>
#include <accrete/prompt/weight/scaled.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// Between softmax and sparsemax, the entmax of order 1.5; small weights become 0, smoothly:
///   p = gain * max(x - tau, 0)^2,   x = z / (2 temperature),   tau such that the weights sum to the gain
/// @source Peters, Niculae, Martins, "Sparse Sequence-to-Sequence Models", ACL 2019, arXiv:1905.05702; as weights of CODA-Prompt our extension
struct Entmax15Weights {
  static constexpr std::string_view name = "entmax15";

  double temperature = 0.1;
  double gain = 1.0;

  /// Arguments and errors as of `detail::scaled_forward`. Cost: a sort
  template <class T>
  void forward(NonDeduced<std::span<T const>> z, std::span<T> p) const {
    detail::scaled_forward<Entmax15Weights, T>(*this, z, p);
  }
  /// Arguments and errors as of `detail::scaled_backward`. Cost: 5 M flop and 2 M roots
  template <class T>
  void backward(NonDeduced<std::span<T const>> p, NonDeduced<std::span<T const>> g, std::span<T> dz) const {
    detail::scaled_backward<Entmax15Weights, T>(*this, p, g, dz);
  }

  /// p_i = max(x_i / 2 - tau, 0)^2,   tau = m_rho - sqrt((1 - s_rho) / rho),   m_r and s_r mean and sum of squared deviations of the r largest halves,
  /// rho the number of r whose tau is not above the r-th
  static void project(std::span<double> x) {
    for (double& value : x) { value /= 2.0; }
    std::vector<double> sorted(x.begin(), x.end());
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    double sum = 0.0;
    double squares = 0.0;
    double tau = 0.0;
    for (std::size_t i = 0; i < sorted.size() && sorted[i] >= -1.0; ++i) {  // the largest half is 0, so tau is at least -1
      auto const r = static_cast<double>(i + 1);
      sum += sorted[i];
      squares += sorted[i] * sorted[i];
      double const mean = sum / r;
      double const deviations = squares - r * mean * mean;
      double const next = mean - std::sqrt(std::max(0.0, (1.0 - deviations) / r));
      if (!(next <= sorted[i])) { break; }
      tau = next;
    }
    for (double& value : x) {
      double const root = std::max(value - tau, 0.0);
      value = root * root;
    }
  }
  [[nodiscard]] static double slope(double p) { return std::sqrt(p); }

  [[nodiscard]] static std::vector<Setting<Entmax15Weights>> settings() { return detail::scale_settings<Entmax15Weights>(); }
};
static_assert(WeightMap<Entmax15Weights> && ScaledProjection<Entmax15Weights>);

}  // namespace accrete
