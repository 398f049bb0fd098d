#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/feature_map.hpp>
#include <accrete/head/host_product.hpp>
#include <accrete/head/packed_cache.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace accrete {

/// h = max(0, f W) with W [L, M] of standard normals that are drawn once, from a key, and never learned.
/// W_ij is element i * M + j of the key's stream, so any part of W can be drawn at any time, anywhere, with the same bits: files hold the key alone.
/// Panels of W are drawn and packed when they are needed first, and kept.
/// @source McDonnell et al., "RanPAC", NeurIPS 2023, arXiv:2307.02251, the random projection layer
class RandomProjection {
 public:
  static constexpr std::string_view name = "random-projection";
  static constexpr bool projects = true;
  static constexpr Index panel = 512;

  RandomProjection() = default;
  /// @param[in] inputs   L;  @param[in] outputs  M; 0: 10,000, or 2,000 for features narrower than 384
  /// @throws ShapeError  for a width that is not positive or a negative number of outputs
  RandomProjection(Index inputs, Index outputs, std::uint64_t seed) : inputs_(inputs), outputs_(outputs > 0 ? outputs : standard_outputs(inputs)), seed_(seed) {
    expects(inputs > 0 && outputs >= 0, "RandomProjection", "the width must be positive and the outputs not negative", inputs, outputs);
  }

  [[nodiscard]] Index inputs() const { return inputs_; }
  [[nodiscard]] Index outputs() const { return outputs_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] static constexpr Index standard_outputs(Index inputs) { return inputs < 384 ? 2000 : 10000; }

  /// W^T for outputs [first, first + count): [count, L].
  /// @throws ShapeError  when the range leaves [0, M)
  [[nodiscard]] Matrix<float> weights(Index first, Index count) const {
    expects(first >= 0 && count >= 0 && first + count <= outputs_, "RandomProjection::weights", "the range must lie inside the outputs", first, count, outputs_);
    Rng const random({.seed = seed_, .purpose = Purpose::projection});
    Matrix<float> weights({count, inputs_});
    Vector<float> row({count});
    for (Index i = 0; i < inputs_; ++i) {
      random.fill_normal(static_cast<std::uint64_t>(i * outputs_ + first), row.view());
      for (Index j = 0; j < count; ++j) { weights(j, i) = row(j); }
    }
    return weights;
  }

  /// @param[in] features [n, L];  @param[out] out [n, count]: outputs [first, first + count); host memory
  /// @pre `first` is a multiple of `panel`, and so is `count` unless the range ends at M
  /// @throws ShapeError  when the extents do not fit.   Cost: 2 * n * L * count flop
  template <class Exec>
  void apply(Exec const& exec, RowsView<float const> features, Index first, RowsView<float> out) const {
    Index const end = first + out.width;
    expects(features.width == inputs_ && features.rows == out.rows, "RandomProjection::apply", "features must be [n, L] and out [n, count]", features.rows, features.width, inputs_, out.rows);
    expects(first >= 0 && end <= outputs_ && first % panel == 0 && (end % panel == 0 || end == outputs_), "RandomProjection::apply", "the range must be whole panels of the outputs", first, out.width,
            outputs_);
    for (Index at = first; at < end; at += panel) {
      Index const count = std::min(panel, outputs_ - at);
      auto const packed = packed_.get(exec, at / panel, [&](Exec const& in_float32) { return kernels::pack(in_float32, weights(at, count).cview(), {}); });
      host_product(exec, features, packed, {.activation = kernels::Activation::relu}, RowsView<float>(out.data + (at - first), out.rows, count, out.stride));
    }
  }

  friend bool operator==(RandomProjection const& a, RandomProjection const& b) { return a.inputs_ == b.inputs_ && a.outputs_ == b.outputs_ && a.seed_ == b.seed_; }

 private:
  Index inputs_ = 0;
  Index outputs_ = 0;
  std::uint64_t seed_ = 0;
  PackedCache packed_;
};
static_assert(FeatureMap<RandomProjection>);

}  // namespace accrete
