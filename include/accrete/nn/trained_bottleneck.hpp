#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/core/scratch.hpp>
#include <accrete/kernels/activation.hpp>
#include <accrete/kernels/column_sums.hpp>
#include <accrete/kernels/dropout.hpp>
#include <accrete/kernels/elementwise.hpp>
#include <accrete/kernels/product.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/bottleneck.hpp>
#include <accrete/nn/layer_parameters.hpp>
#include <accrete/nn/summation.hpp>

#include <algorithm>
#include <string>

namespace accrete::nn {

/// Which units of a bottleneck are dropped: a mask per sequence and block, so that it depends neither on the batch's parts nor on threads.
struct DropoutDraw {
  RngKey key;  ///< `object` numbers the step
  Index block = 0;
  Index first = 0;      ///< number of the first sequence in the batch
  bool active = false;  ///< false in evaluation

  [[nodiscard]] Rng of(Index sequence) const {
    RngKey drawn = key;
    drawn.object = (key.object << 32U) + (static_cast<std::uint64_t>(block) << 22U) + static_cast<std::uint64_t>(first + sequence);
    return Rng(drawn);
  }
};

/// A bottleneck beside attention or an MLP, or behind the latter, inside of a network that learns:
///   y += s (drop(act(x A^T + a)) U^T + c),   s a setting, times a number that learns where the store has one
/// @source Chen et al., "AdaptFormer", NeurIPS 2022, arXiv:2205.13535, Eq. 3
template <class Exec, class T>
class TrainedBottleneck {
 public:
  using S = SumScalar<T>;
  using Scratch = ScratchPool<typename Exec::Memory>;

  TrainedBottleneck() = default;

  /// @param name  canonical, such as `blocks.0.adapter`; there must be `name.down.weight` in the store
  TrainedBottleneck(Exec const& exec, LayerParameters<S> const& parameters, std::string const& name, BottleneckForm const& form)
      : form_(form),
        down_weight_(parameters.learned(name + ".down.weight")),
        down_bias_(parameters.learned(name + ".down.bias")),
        up_weight_(parameters.learned(name + ".up.weight")),
        up_bias_(parameters.learned(name + ".up.bias")),
        learned_scale_(parameters.learned(name + ".scale")) {
    middle_ = parameters.store().segment(name + ".down.weight").shape[0];
    width_ = parameters.store().segment(name + ".up.weight").shape[0];
    scaled_weight_ = Matrix<S>({width_, middle_});
    scaled_bias_ = Vector<S>({width_});
    scale_ = Vector<S, typename Exec::Memory>({std::max(width_, middle_)});
    host_scale_ = Vector<S>({scale_.size()});
    refresh(exec, parameters.store().values());
  }

  [[nodiscard]] Index middle() const { return middle_; }
  [[nodiscard]] bool learns() const { return down_weight_.learns || down_bias_.learns || up_weight_.learns || up_bias_.learns || learned_scale_.learns; }

  void refresh(Exec const& exec, VectorView<S const> values) {
    auto const scale = static_cast<S>(form_.scale) * (learned_scale_ ? learned_scale_.vector(values)[0] : S{1});
    auto const scaled = [scale](VectorView<S const> from, S* to) { std::transform(from.begin(), from.end(), to, [scale](S value) { return scale * value; }); };
    scaled(up_weight_.vector(values), scaled_weight_.data());
    scaled(up_bias_.vector(values), scaled_bias_.data());
    auto const down = down_weight_.matrix(values, middle_);
    pack(exec, down, down_bias_.vector(values), kernels::WeightOrder::output_rows, down_);
    pack(exec, down, VectorView<S const>(), kernels::WeightOrder::input_rows, down_back_);
    pack(exec, scaled_weight_.cview(), scaled_bias_.cview(), kernels::WeightOrder::output_rows, up_);
    pack(exec, scaled_weight_.cview(), VectorView<S const>(), kernels::WeightOrder::input_rows, up_back_);
    if (!packed_ || learned_scale_) {
      std::fill(host_scale_.begin(), host_scale_.end(), scale);
      kernels::upload(exec, host_scale_.cview(), scale_.view());
    }
    if (learned_scale_) { upload_unscaled(exec, values); }
    packed_ = true;
  }

  /// @param[in]  x   [B * N, D];  @param[out] pre [B * N, r] before the activation, for the way back;  @param[in,out] y [B * N, D]
  void forward(Exec const& exec, RowsView<T> x, MatrixView<T> pre, Index batch, DropoutDraw const& draw, RowsView<S> y, Scratch const& scratch) const {
    kernels::product(exec, x, down_, {}, RowsView<T>(pre));
    auto const units = scratch.template lease<T>(pre.shape());
    activate(exec, pre, batch, draw, units.view());
    kernels::product(exec, RowsView<T>(units.view()), up_, {.accumulate = true}, y);
  }

  /// d_pre from dy, and dx += what comes back through the bottleneck.
  /// @param[in] dy [B * N, D];  @param[out] d_pre [B * N, r];  @param[in,out] dx [B * N, D] T or the stream's scalar; not touched when empty
  template <class X>
  void backward(Exec const& exec, RowsView<T> dy, MatrixView<T> pre, Index batch, DropoutDraw const& draw, MatrixView<T> d_pre, RowsView<X> dx) const {
    kernels::product(exec, dy, up_back_, {}, RowsView<T>(d_pre));
    drop(exec, batch, draw, d_pre);
    kernels::activate_backward(exec, form_.activation, RowsView<T const>(pre), RowsView<T>(d_pre));
    if (dx.rows > 0) { kernels::product(exec, RowsView<T>(d_pre), down_back_, {.accumulate = true}, dx); }
  }

  /// Adds the gradients of what learns here, or the squares of the samples' own.
  void accumulate(Exec const& exec, RowsView<T> x, RowsView<T> dy, MatrixView<T> pre, Index batch, DropoutDraw const& draw, MatrixView<T> d_pre, VectorView<S> gradients, Scratch const& scratch,
                  Summation how = {}) const {
    if (down_weight_.learns) { how.add_weight_gradient(exec, RowsView<T>(d_pre), x, down_weight_.matrix(gradients, middle_)); }
    if (down_bias_.learns) { how.add_column_sums(exec, RowsView<T>(d_pre), down_bias_.vector(gradients)); }
    if (learned_scale_) { return accumulate_scaled(exec, dy, pre, batch, draw, gradients, scratch, how); }
    if (up_weight_.learns) {  // dU = dy^T (s h): the scale is cheapest at the narrow side
      auto const units = scratch.template lease<T>(pre.shape());
      activate(exec, pre, batch, draw, units.view());
      RowsView<T> const h(units.view());
      kernels::scale_columns(exec, RowsView<T const>(h), VectorView<S const>(scale_.data(), {middle_}), VectorView<S const>(), h, false);
      how.add_weight_gradient(exec, dy, h, up_weight_.matrix(gradients, width_));
    }
    if (up_bias_.learns) {
      auto const sums = scratch.template lease<S>(Shape<2>{1, width_});
      kernels::fill(exec, sums.view()[0], S{0});
      how.add_column_sums(exec, dy, sums.view()[0]);
      if (how.squares()) { kernels::scale_columns(exec, sums.view(), VectorView<S const>(scale_.data(), {width_}), VectorView<S const>(), sums.view(), false); }  // s^2 in all
      kernels::column_dots(exec, RowsView<S const>(scale_.data(), 1, width_, width_), RowsView<S const>(sums.view()), up_bias_.vector(gradients));
    }
  }

 private:
  /// The second layer without the scale that learns, as one column: U, then c.
  void upload_unscaled(Exec const& exec, VectorView<S const> values) {
    Index const weights = width_ * middle_;
    if (host_unscaled_.empty()) {
      host_unscaled_ = Vector<S>({weights + width_});
      unscaled_ = Vector<S, typename Exec::Memory>(host_unscaled_.shape());
    }
    auto const times = [this](S value) { return static_cast<S>(form_.scale) * value; };
    auto const weight = up_weight_.vector(values);
    auto const bias = up_bias_.vector(values);
    std::transform(weight.begin(), weight.end(), host_unscaled_.data(), times);
    std::transform(bias.begin(), bias.end(), host_unscaled_.data() + weights, times);
    kernels::upload(exec, host_unscaled_.cview(), unscaled_.view());
  }

  /// With G = dy^T h and g = sum of dy over the rows:  dU += s G,  dc += s g,  ds += <U, G> + <c, g>, or the squares of the samples' own.
  void accumulate_scaled(Exec const& exec, RowsView<T> dy, MatrixView<T> pre, Index batch, DropoutDraw const& draw, VectorView<S> gradients, Scratch const& scratch, Summation how) const {
    auto const units = scratch.template lease<T>(pre.shape());
    activate(exec, pre, batch, draw, units.view());
    auto const sums = scratch.template lease<S>(unscaled_.shape());
    MatrixView<S> const weight(sums.data(), {width_, middle_});
    MatrixView<S> const bias(sums.data() + weight.size(), {1, width_});
    how.for_samples(dy, RowsView<T>(units.view()), [&](RowsView<T> own_dy, RowsView<T> own_units) {
      kernels::fill(exec, sums.view(), S{0});
      kernels::weight_gradient(exec, RowsView<T const>(own_dy), RowsView<T const>(own_units), weight);
      kernels::column_sums(exec, RowsView<T const>(own_dy), bias[0]);
      if (learned_scale_.learns) { how.add_dot(exec, sums.view(), unscaled_.view(), learned_scale_.vector(gradients), scratch); }
      auto const add = [&](MatrixView<S> from, MatrixView<S> to) { how.add_scaled(exec, RowsView<S>(from), VectorView<S const>(scale_.data(), {from.extent(1)}), RowsView<S>(to)); };
      if (up_weight_.learns) { add(weight, up_weight_.matrix(gradients, width_)); }
      if (up_bias_.learns) { add(bias, up_bias_.matrix(gradients, 1)); }
    });
  }

  void pack(Exec const& exec, MatrixView<S const> weight, VectorView<S const> bias, kernels::WeightOrder order, typename Exec::PackedWeights& packed) const {
    if (packed_) {
      kernels::repack(exec, weight, bias, order, packed);
    } else {
      packed = kernels::pack(exec, weight, bias, order);
    }
  }

  void activate(Exec const& exec, MatrixView<T> pre, Index batch, DropoutDraw const& draw, MatrixView<T> units) const {
    kernels::activate(exec, form_.activation, RowsView<T const>(pre), RowsView<T>(units));
    drop(exec, batch, draw, units);
  }

  void drop(Exec const& exec, Index batch, DropoutDraw const& draw, MatrixView<T> rows) const {
    if (!draw.active || form_.dropout <= 0) { return; }
    Index const each = rows.extent(0) / batch;
    for (Index sequence = 0; sequence < batch; ++sequence) { kernels::dropout(exec, draw.of(sequence), form_.dropout, RowsView<T>(rows.slice(sequence * each, each))); }
  }

  BottleneckForm form_;
  LearnedPart down_weight_;    // A [r, D]
  LearnedPart down_bias_;      // a [r]
  LearnedPart up_weight_;      // U [D, r]
  LearnedPart up_bias_;        // c [D]
  LearnedPart learned_scale_;  // [1]
  Index middle_ = 0;
  Index width_ = 0;
  bool packed_ = false;
  Matrix<S> scaled_weight_;
  Vector<S> scaled_bias_;
  Vector<S> host_scale_;
  Vector<S, typename Exec::Memory> scale_;  // s, as many times as a row is wide
  Vector<S> host_unscaled_;
  Vector<S, typename Exec::Memory> unscaled_;  // U and c, where the scale learns
  typename Exec::PackedWeights down_;
  typename Exec::PackedWeights down_back_;
  typename Exec::PackedWeights up_;
  typename Exec::PackedWeights up_back_;
};

}  // namespace accrete::nn
