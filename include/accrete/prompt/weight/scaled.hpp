#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/prompt/weight/concept.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace accrete {

/// Has the two scales that the maps onto the simplex share.
template <class W>
concept HasWeightScales = requires(W const& map) {
  { map.temperature } -> std::convertible_to<double>;
  { map.gain } -> std::convertible_to<double>;
};

/// `project(x)` turns scores, the largest of which is 0, into weights that are not negative and sum to 1, in place; a score of -infinity gets no weight.
/// `slope(p)` is the u of its derivative  diag(u) - u u^T / sum u,  of one weight; 0 outside of the support.
template <class W>
concept ProjectsOntoSimplex = requires(W const& map, std::span<double> x, double p) {
  map.project(x);
  { W::slope(p) } -> std::same_as<double>;
};

/// What a map onto the simplex is made of: itself, and the scales around it.
template <class W>
concept ScaledProjection = HasWeightMapName<W> && HasWeightScales<W> && ProjectsOntoSimplex<W>;

namespace detail {

template <ScaledProjection W>
void check_scales(W const& map) {
  if (!(map.temperature > 0.0 && std::isfinite(map.temperature))) { fail<ValueError>(W::name, "the temperature must be positive and finite (came: ", map.temperature, ")"); }
  if (!(map.gain > 0.0 && std::isfinite(map.gain))) { fail<ValueError>(W::name, "the gain must be positive and finite (came: ", map.gain, ")"); }
}

/// p = gain * project((z - max z) / temperature), in double: a number added to all of z changes no such map, and with the largest at 0 nothing overflows.
/// @param[in] z [M]; a NaN or +infinity makes all of p NaN, -infinity gets no weight;  @param[out] p [M], may be `z`
/// @throws ShapeError  when the lengths differ;  ValueError  for an empty row or a scale that is not positive; `p` is unchanged then
template <class W, class T>
void scaled_forward(W const& map, std::span<T const> z, std::span<T> p) {
  check_weights(W::name, p.size(), z.size());
  check_scales(map);
  double largest = -std::numeric_limits<double>::infinity();
  for (T const score : z) { largest = std::max(largest, static_cast<double>(score)); }
  std::vector<double> x(z.size());
  std::transform(z.begin(), z.end(), x.begin(), [&](T score) { return (static_cast<double>(score) - largest) / map.temperature; });
  if (std::any_of(x.begin(), x.end(), [](double value) { return std::isnan(value); })) {  // nothing that sorts may see one
    std::fill(p.begin(), p.end(), std::numeric_limits<T>::quiet_NaN());
    return;
  }
  map.project(std::span<double>(x));
  std::transform(x.begin(), x.end(), p.begin(), [&](double weight) { return static_cast<T>(map.gain * weight); });
}

/// dz_i = gain / temperature * u_i (g_i - sum_j u_j g_j / sum_j u_j),   u_i = slope(p_i / gain)
/// @param[in] p [M] of `scaled_forward`;  @param[in] g [M] dLoss/dp;  @param[out] dz [M], may be `g`
/// @throws as `scaled_forward`
/// @source Peters, Niculae, Martins, "Sparse Sequence-to-Sequence Models", ACL 2019, arXiv:1905.05702 (the derivative of every entmax); specification: prompt-methods.md §0.4
template <class W, class T>
void scaled_backward(W const& map, std::span<T const> p, std::span<T const> g, std::span<T> dz) {
  check_weights(W::name, p.size(), g.size());
  check_weights(W::name, p.size(), dz.size());
  check_scales(map);
  double total = 0.0;
  double along = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    double const u = W::slope(static_cast<double>(p[i]) / map.gain);
    total += u;
    along += u * static_cast<double>(g[i]);
  }
  // Divided by the total even where that is 1 but for rounding: the sum of dz is then 0 for weights rounded to float as well.
  double const mean = total == 0.0 ? 0.0 : along / total;
  double const scale = map.gain / map.temperature;
  for (std::size_t i = 0; i < p.size(); ++i) { dz[i] = static_cast<T>(scale * W::slope(static_cast<double>(p[i]) / map.gain) * (static_cast<double>(g[i]) - mean)); }
}

template <class W>
[[nodiscard]] std::vector<Setting<W>> scale_settings() {
  return {number_setting("temperature", "what the scores are divided by", &W::temperature, 1e-12, 1e6), number_setting("gain", "what the weights sum to", &W::gain, 1e-12, 1e6)};
}

}  // namespace detail
}  // namespace accrete
