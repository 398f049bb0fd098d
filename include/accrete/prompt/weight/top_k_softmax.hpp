#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/prompt/weight/concept.hpp>
#include <accrete/prompt/weight/scaled.hpp>
#include <accrete/prompt/weight/softmax.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// A softmax over the k largest scores; the others get nothing, and no gradient:
///   p = gain * softmax of z / temperature over the k largest;   ties go to the smaller index;   k beyond M is M
/// @source specification: prompt-methods.md §0.4; as weights of CODA-Prompt our extension
struct TopKSoftmaxWeights {
  static constexpr std::string_view name = "top-k-softmax";

  Index k = 10;  ///< as many as a task of CODA-Prompt adds to a pool of 100 in ten tasks
  double temperature = 0.1;
  double gain = 1.0;

  /// Arguments and errors as of `detail::scaled_forward`
  /// @throws ValueError  for k below 1; `p` is unchanged then.   Cost: k exponentials and a selection, O(M)
  template <class T>
  void forward(NonDeduced<std::span<T const>> z, std::span<T> p) const {
    if (k < 1) { fail<ValueError>(name, "k must be at least 1 (came: ", k, ")"); }
    detail::scaled_forward<TopKSoftmaxWeights, T>(*this, z, p);
  }
  /// Arguments and errors as of `detail::scaled_backward`. Cost: 5 M flop
  template <class T>
  void backward(NonDeduced<std::span<T const>> p, NonDeduced<std::span<T const>> g, std::span<T> dz) const {
    detail::scaled_backward<TopKSoftmaxWeights, T>(*this, p, g, dz);
  }

  /// @pre k >= 1
  void project(std::span<double> x) const {
    std::vector<std::size_t> order(x.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    auto const kept = order.begin() + std::min(k, static_cast<Index>(x.size()));
    std::nth_element(order.begin(), kept - 1, order.end(), [x](std::size_t a, std::size_t b) { return x[a] != x[b] ? x[a] > x[b] : a < b; });
    std::for_each(kept, order.end(), [x](std::size_t i) { x[i] = -std::numeric_limits<double>::infinity(); });
    SoftmaxWeights::project(x);
  }
  [[nodiscard]] static double slope(double p) { return SoftmaxWeights::slope(p); }

  [[nodiscard]] static std::vector<Setting<TopKSoftmaxWeights>> settings() {
    auto settings = detail::scale_settings<TopKSoftmaxWeights>();
    settings.push_back(number_setting("top-k", "how many components of the pool a query gets", &TopKSoftmaxWeights::k, Index{1}, Index{1'000'000}));
    return settings;
  }
};
static_assert(WeightMap<TopKSoftmaxWeights> && ScaledProjection<TopKSoftmaxWeights>);

}  // namespace accrete
