#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/prompt/weight/concept.hpp>

#include <algorithm>
#include <span>
#include <string_view>

namespace accrete {

/// The scores themselves, which may be negative: p = z, dz = g.
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218
struct CosineWeights {
  static constexpr std::string_view name = "cosine";

  /// @param[in] z [M];  @param[out] p [M], may be `z`
  /// @throws ShapeError  when the lengths differ;  ValueError  for an empty row
  template <class T>
  void forward(NonDeduced<std::span<T const>> z, std::span<T> p) const {
    detail::check_weights(name, p.size(), z.size());
    std::copy(z.begin(), z.end(), p.begin());
  }

  /// @param[in] p [M] of `forward`;  @param[in] g [M] dLoss/dp;  @param[out] dz [M], may be `g`
  /// @throws as `forward`
  template <class T>
  void backward(NonDeduced<std::span<T const>> p, NonDeduced<std::span<T const>> g, std::span<T> dz) const {
    detail::check_weights(name, p.size(), g.size());
    detail::check_weights(name, p.size(), dz.size());
    std::transform(g.begin(), g.end(), dz.begin(), [](T d) { return d; });
  }
};
static_assert(WeightMap<CosineWeights>);

}  // namespace accrete
