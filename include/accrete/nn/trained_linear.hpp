#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/column_sums.hpp>
#include <accrete/kernels/product.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/layer_parameters.hpp>
#include <accrete/nn/low_rank.hpp>
#include <accrete/nn/summation.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace accrete::nn {

/// Which layer a TrainedLinear is: its name, its extents, and what stands behind it.
struct LinearPlace {
  std::string name;       ///< canonical, without `.weight`
  Index outputs = 0;      ///< rows of the whole weight
  Index inputs = 0;       ///< columns
  Index first = 0;        ///< first row that this layer computes
  Index count = 0;        ///< rows that it computes
  std::string gain = {};  ///< name of a gain per output behind it (LayerScale); empty: none
  double low_rank_scale = 1;
};

/// A linear layer inside of a network that learns:
///   y = gain * (scale * raw + shift),   raw = x W^T + b + s (x A^T) B^T
/// Each of W, b, gain, scale and shift (SSF), A and B (LoRA) is there, and learns, when the parameters say so; what does not exist costs nothing.
/// `raw` is kept by the caller where `keeps_raw()`; elsewhere y is computed at once.
/// @tparam T  scalar of activations: float, bfloat16, or double for checking gradients
/// @source Lian et al. (SSF), NeurIPS 2022, arXiv:2210.08823; Hu et al. (LoRA), ICLR 2022, arXiv:2106.09685
template <class Exec, class T>
class TrainedLinear {
 public:
  using S = SumScalar<T>;
  using Scratch = ScratchPool<typename Exec::Memory>;

  TrainedLinear() = default;

  /// @param[in] ready  the weights packed for the plain pass, a gain that stands still folded in, or null; taken where nothing of them learns
  TrainedLinear(Exec const& exec, LayerParameters<S> const& parameters, LinearPlace const& place, typename Exec::PackedWeights const* ready = nullptr) : count_(place.count), inputs_(place.inputs) {
    auto const rows_of = [&](std::string const& name) { return parameters.learned(name).rows(place.first, place.count, place.outputs); };
    learned_weight_ = rows_of(place.name + ".weight");
    learned_bias_ = rows_of(place.name + ".bias");
    scale_ = rows_of(place.name + ".ssf.scale");
    shift_ = rows_of(place.name + ".ssf.shift");
    low_rank_ = find_low_rank<Exec, T>(parameters, place.name, place.outputs, place.first, place.count, place.low_rank_scale);
    if (!place.gain.empty()) { learned_gain_ = parameters.learned(place.gain); }

    if (scale_ && learned_gain_) { fail<ValueError>("TrainedLinear", "a gain that learns and a scale that learns say the same twice (layer: ", place.name, ")"); }

    if (!learned_weight_) { weight_ = cut(parameters(place.name + ".weight"), place, place.inputs); }
    if (!learned_bias_) { bias_ = cut(parameters(place.name + ".bias"), place, 1); }
    if (!place.gain.empty()) { gain_ = parameters(place.gain); }
    bool const plain = !scale_ && !learned_gain_ && low_rank_.empty() && !learned_weight_ && !learned_bias_;
    if (!gain_.empty() && plain) { fold_gain(); }
    if (ready != nullptr && plain) {
      forward_ = *ready;
      shares_forward_ = true;
    }
    keeps_raw_ = scale_ || !gain_.empty();
    if (keeps_raw_) {
      factor_ = Vector<S, typename Exec::Memory>({count_});
      offset_ = Vector<S, typename Exec::Memory>({count_});
    }
    refresh(exec, parameters.store().values());
    if (!scale_ && !learned_gain_ && !learned_bias_) { weight_ = {}; }  // packed once and for all
  }

  [[nodiscard]] Index inputs() const { return inputs_; }
  [[nodiscard]] Index outputs() const { return count_; }
  /// Whether `forward` needs a place for the rows before gain, scale and shift, and `accumulate` needs them back.
  [[nodiscard]] bool keeps_raw() const { return keeps_raw_; }
  /// Whether anything here learns: then the input and the gradient of the output are needed after the backward pass.
  [[nodiscard]] bool learns() const {
    bool any = learned_weight_.learns || learned_bias_.learns || scale_.learns || shift_.learns || learned_gain_.learns;
    for (auto const& part : low_rank_) { any = any || part.learns(); }
    return any;
  }

  /// Tells which part of the gradient `accumulate` writes where it is fresh.
  void tell_written(std::vector<LearnedPart>& written) const {
    if (learned_weight_.learns) { written.push_back(learned_weight_); }
  }

  /// Takes over the values of what the store holds.
  /// @param[in] values  the store's buffer, host memory
  void refresh(Exec const& exec, VectorView<S const> values) {
    bool const first = !packed_;
    if (learned_gain_) { copy(learned_gain_.vector(values), gain_); }
    if ((first && !shares_forward_) || learned_weight_ || learned_bias_) { pack_forward(exec, values, first); }
    if (first || learned_weight_ || scale_ || learned_gain_) { pack_backward(exec, values, first); }
    if (keeps_raw_) { upload_factors(exec, values); }
    for (auto& part : low_rank_) { part.refresh(exec, values, first); }
    packed_ = true;
  }

  /// y = ..., or y += ... when `accumulate`.
  /// @param[in]  x [rows, in];  @param[out] raw [rows, out] where `keeps_raw()`;  @param[in,out] y [rows, out] T, or the stream's scalar
  template <class Y>
  void forward(Exec const& exec, RowsView<T> x, RowsView<T> raw, RowsView<Y> y, bool accumulate, Scratch const& scratch) const {
    if (!keeps_raw_) { return forward_raw(exec, x, y, accumulate, scratch); }
    forward_raw(exec, x, raw, false, scratch);
    bend(exec, RowsView<T const>(raw), y, accumulate);
  }

  /// The same without gain, scale and shift.
  template <class Y>
  void forward_raw(Exec const& exec, RowsView<T> x, RowsView<Y> raw, bool accumulate, Scratch const& scratch) const {
    kernels::product(exec, x, forward_, {.accumulate = accumulate}, raw);
    for (auto const& part : low_rank_) { part.forward(exec, x, raw, scratch); }
  }

  /// y (+)= gain * (scale * raw + shift): what `forward` did to the rows it kept.
  template <class Y>
  void bend(Exec const& exec, RowsView<T const> raw, RowsView<Y> y, bool accumulate) const {
    kernels::scale_columns(exec, raw, factor_.view(), offset_.view(), y, accumulate);
  }

  /// dx = dy dy/dx, or dx += ...
  /// @param[in] dy [rows, out];  @param[out] dx [rows, in]
  void backward(Exec const& exec, RowsView<T> dy, RowsView<T> dx, bool accumulate, Scratch const& scratch) const {
    kernels::product(exec, dy, backward_, {.accumulate = accumulate}, dx);
    if (low_rank_.empty()) { return; }
    with_raw_gradient(exec, dy, scratch, [&](RowsView<T> d_raw) {
      for (auto const& part : low_rank_) { part.backward(exec, d_raw, dx, scratch); }
    });
  }

  /// Adds the gradients of everything that learns here, or the squares of the samples' own.
  /// @param[in] x [rows, in];  @param[in] raw [rows, out] where `keeps_raw()`;  @param[in] dy [rows, out];  @param[in,out] gradients  laid out as the store's buffer
  void accumulate(Exec const& exec, RowsView<T> x, RowsView<T> raw, RowsView<T> dy, VectorView<S> gradients, Scratch const& scratch, Summation how = {}) const {
    if (scale_.learns || learned_gain_.learns) { accumulate_factors(exec, raw, dy, gradients, scratch, how); }
    bool const inner = learned_weight_.learns || learned_bias_.learns || !low_rank_.empty();
    if (!inner) { return; }
    with_raw_gradient(exec, dy, scratch, [&](RowsView<T> d_raw) {
      if (learned_weight_.learns) { how.take_weight_gradient(exec, d_raw, x, learned_weight_.matrix(gradients, count_)); }
      if (learned_bias_.learns) { how.add_column_sums(exec, d_raw, learned_bias_.vector(gradients)); }
      for (auto const& part : low_rank_) { part.accumulate(exec, x, d_raw, gradients, scratch, how); }
    });
  }

 private:
  static void copy(VectorView<S const> from, Vector<S>& to) { std::copy(from.begin(), from.end(), to.begin()); }

  /// The rows of this layer out of the whole weight.
  static Vector<S> cut(Vector<S> all, LinearPlace const& place, Index width) {
    if (all.empty() || place.count == place.outputs) { return all; }
    Vector<S> rows({place.count * width});
    std::copy_n(all.data() + place.first * width, rows.size(), rows.data());
    return rows;
  }

  /// A gain that stands still, behind a layer that stands still, is a part of its weight.
  void fold_gain() {
    for (Index row = 0; row < count_; ++row) {
      for (Index column = 0; column < inputs_; ++column) { weight_(row * inputs_ + column) *= gain_(row); }
      if (!bias_.empty()) { bias_(row) *= gain_(row); }
    }
    gain_ = {};
  }

  [[nodiscard]] S factor(VectorView<S const> values, Index row) const {
    S const scale = scale_ ? scale_.vector(values)[row] : S{1};
    return gain_.empty() ? scale : scale * gain_(row);
  }

  [[nodiscard]] MatrixView<S const> weight(VectorView<S const> values) const {
    return learned_weight_ ? learned_weight_.matrix(values, count_) : MatrixView<S const>(weight_.data(), {count_, inputs_});
  }

  void pack_forward(Exec const& exec, VectorView<S const> values, bool first) {
    auto const bias = learned_bias_ ? learned_bias_.vector(values) : bias_.cview();
    pack(exec, weight(values), bias, kernels::WeightOrder::output_rows, first, forward_);
  }

  static void pack(Exec const& exec, MatrixView<S const> weight, VectorView<S const> bias, kernels::WeightOrder order, bool first, typename Exec::PackedWeights& packed) {
    if (first) {
      packed = kernels::pack(exec, weight, bias, order);
    } else {
      kernels::repack(exec, weight, bias, order, packed);
    }
  }

  /// Scale and gain are a part of the weight on the way back.
  void pack_backward(Exec const& exec, VectorView<S const> values, bool first) {
    auto from = weight(values);
    if (keeps_raw_) {
      if (bent_weight_.empty()) { bent_weight_ = Matrix<S>(from.shape()); }
      for (Index row = 0; row < count_; ++row) {
        S const by = factor(values, row);
        std::transform(from[row].begin(), from[row].end(), bent_weight_.view()[row].begin(), [by](S value) { return by * value; });
      }
      from = bent_weight_.cview();
    }
    pack(exec, from, VectorView<S const>(), kernels::WeightOrder::input_rows, first, backward_);
  }

  void upload_factors(Exec const& exec, VectorView<S const> values) {
    if (host_factor_.empty()) {
      host_factor_ = Vector<S>({count_});
      host_offset_ = Vector<S>({count_});
      host_gain_ = Vector<S, typename Exec::Memory>({gain_.size()});
    }
    for (Index row = 0; row < count_; ++row) {
      host_factor_(row) = factor(values, row);
      S const shift = shift_ ? shift_.vector(values)[row] : S{0};
      host_offset_(row) = gain_.empty() ? shift : shift * gain_(row);
    }
    kernels::upload(exec, host_factor_.cview(), factor_.view());
    kernels::upload(exec, host_offset_.cview(), offset_.view());
    if (!gain_.empty()) { kernels::upload(exec, gain_.cview(), host_gain_.view()); }
  }

  /// Gives `use` the gradient of `raw`.
  template <class Use>
  void with_raw_gradient(Exec const& exec, RowsView<T> dy, Scratch const& scratch, Use const& use) const {
    if (!keeps_raw_) { return use(dy); }
    auto const scaled = scratch.template lease<T>(Shape<2>{dy.rows, dy.width});
    RowsView<T> const d_raw(scaled.view());
    kernels::scale_columns(exec, RowsView<T const>(dy), factor_.view(), VectorView<S const>(), d_raw, false);
    use(d_raw);
  }

  /// With a gain and SSF: y = gain (scale raw + shift); with a gain alone: y = gain raw.
  void accumulate_factors(Exec const& exec, RowsView<T> raw, RowsView<T> dy, VectorView<S> gradients, Scratch const& scratch, Summation how) const {
    if (learned_gain_.learns) { how.add_column_dots(exec, dy, raw, learned_gain_.vector(gradients)); }
    if (!scale_.learns) { return; }
    auto const use = [&](RowsView<T> d_bent) {
      how.add_column_dots(exec, d_bent, raw, scale_.vector(gradients));
      how.add_column_sums(exec, d_bent, shift_.vector(gradients));
    };
    if (gain_.empty()) { return use(dy); }
    auto const scaled = scratch.template lease<T>(Shape<2>{dy.rows, dy.width});
    kernels::scale_columns(exec, RowsView<T const>(dy), host_gain_.view(), VectorView<S const>(), RowsView<T>(scaled.view()), false);
    use(RowsView<T>(scaled.view()));
  }

  Index count_ = 0;
  Index inputs_ = 0;
  bool shares_forward_ = false;  ///< `forward_` is the plain pass's
  bool keeps_raw_ = false;
  bool packed_ = false;
  LearnedPart learned_weight_;
  LearnedPart learned_bias_;
  LearnedPart learned_gain_;
  LearnedPart scale_;
  LearnedPart shift_;
  Vector<S> weight_;  // [out * in], kept where it is packed again
  Vector<S> bias_;
  Vector<S> gain_;
  Matrix<S> bent_weight_;
  Vector<S> host_factor_;
  Vector<S> host_offset_;
  Vector<S, typename Exec::Memory> host_gain_;
  Vector<S, typename Exec::Memory> factor_;  // gain * scale
  Vector<S, typename Exec::Memory> offset_;  // gain * shift
  typename Exec::PackedWeights forward_;
  typename Exec::PackedWeights backward_;
  std::vector<LowRank<Exec, T>> low_rank_;
};

}  // namespace accrete::nn
