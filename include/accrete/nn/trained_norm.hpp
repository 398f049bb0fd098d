#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/column_sums.hpp>
#include <accrete/kernels/elementwise.hpp>
#include <accrete/kernels/layer_norm.hpp>
#include <accrete/kernels/parts.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/layer_parameters.hpp>
#include <accrete/nn/summation.hpp>

#include <string>

namespace accrete::nn {

/// A layer norm inside of a network that learns:
///   y = scale * (gain * xhat + offset) + shift,   xhat = (x - mean) / sqrt(variance + epsilon)
/// Gain and offset, or scale and shift (SSF), learn when the parameters say so.
template <class Exec, class T>
class TrainedNorm {
 public:
  using S = SumScalar<T>;
  using Scratch = ScratchPool<typename Exec::Memory>;

  TrainedNorm() = default;

  /// @param name  canonical, without `.weight`
  TrainedNorm(Exec const& exec, LayerParameters<S> const& parameters, std::string const& name, double epsilon) : epsilon_(epsilon) {
    gain_ = parameters(name + ".weight");
    offset_ = parameters(name + ".bias");
    learned_gain_ = parameters.learned(name + ".weight");
    learned_offset_ = parameters.learned(name + ".bias");
    scale_ = parameters.learned(name + ".ssf.scale");
    shift_ = parameters.learned(name + ".ssf.shift");
    effective_gain_ = {Vector<S>(gain_.shape()), Vector<S, typename Exec::Memory>(gain_.shape())};
    effective_offset_ = {Vector<S>(gain_.shape()), Vector<S, typename Exec::Memory>(gain_.shape())};
    if (scale_) {
      own_gain_ = Vector<S, typename Exec::Memory>(gain_.shape());
      own_offset_ = Vector<S, typename Exec::Memory>(gain_.shape());
      kernels::upload(exec, gain_.cview(), own_gain_.view());
      kernels::upload(exec, offset_.cview(), own_offset_.view());
    }
    upload(exec, parameters.store().values());
  }

  [[nodiscard]] bool learns() const { return learned_gain_.learns || learned_offset_.learns || scale_.learns || shift_.learns; }

  /// Takes over the values of what the store holds.
  void refresh(Exec const& exec, VectorView<S const> values) {
    if (learned_gain_ || learned_offset_ || scale_) { upload(exec, values); }
  }

  /// @param[in] x [rows, D];  @param[out] y [rows, D] T, or the stream's scalar
  template <class Y>
  void forward(Exec const& exec, RowsView<S> x, RowsView<Y> y) const {
    kernels::layer_norm(exec, x, effective_gain_.there.view(), effective_offset_.there.view(), epsilon_, y);
  }

  /// dx += dy dy/dx.
  /// @param[in] x [rows, D] what `forward` read;  @param[in] dy [rows, D];  @param[in,out] dx [rows, D]
  template <class Y>
  void backward(Exec const& exec, RowsView<S> x, RowsView<Y> dy, RowsView<S> dx) const {
    kernels::layer_norm_backward(exec, RowsView<S const>(x), effective_gain_.there.view(), epsilon_, RowsView<Y const>(dy), dx);
  }

  /// Adds the gradients of what learns here, or the squares of the samples' own.
  template <class Y>
  void accumulate(Exec const& exec, RowsView<S> x, RowsView<Y> dy, VectorView<S> gradients, Scratch const& scratch, Summation how = {}) const {
    if (!learns()) { return; }
    if (how.squares()) { return accumulate_squares(exec, x, dy, gradients, scratch, how.samples); }
    Index const width = x.width;
    auto const sums = scratch.template lease<S>(Shape<2>{2, width});
    kernels::fill(exec, VectorView<S>(sums.data(), {2 * width}), S{0});
    MatrixView<S> const by_xhat(sums.data(), {1, width});        // sum of dy * xhat
    MatrixView<S> const plain(sums.data() + width, {1, width});  // sum of dy
    kernels::layer_norm_parameter_gradients(exec, RowsView<S const>(x), epsilon_, RowsView<Y const>(dy), by_xhat[0], plain[0]);
    auto const add = [&](LearnedPart const& part, MatrixView<S> const& sum) {
      if (part.learns) { kernels::add(exec, VectorView<S const>(sum[0]), part.vector(gradients)); }
    };
    if (scale_) {
      auto const add_weighted = [&](Vector<S, typename Exec::Memory> const& by, MatrixView<S> const& sum) {
        kernels::column_dots(exec, RowsView<S const>(by.data(), 1, width, width), RowsView<S const>(sum), scale_.vector(gradients));
      };
      if (scale_.learns) {
        add_weighted(own_gain_, by_xhat);
        add_weighted(own_offset_, plain);
      }
      add(shift_, plain);
      return;
    }
    add(learned_gain_, by_xhat);
    add(learned_offset_, plain);
  }

 private:
  /// The gradients of each sample [B, D], and then their squares.
  template <class Y>
  void accumulate_squares(Exec const& exec, RowsView<S> x, RowsView<Y> dy, VectorView<S> gradients, Scratch const& scratch, Index samples) const {
    Index const rows = x.rows / samples;
    auto const memory = scratch.template lease<S>(Shape<2>{2 * samples, x.width});
    kernels::fill(exec, VectorView<S>(memory.data(), {memory.view().size()}), S{0});
    MatrixView<S> const by_xhat = memory.view().slice(0, samples);
    MatrixView<S> const plain = memory.view().slice(samples, samples);
    kernels::for_parts(exec, samples, 1, [&](Exec const& part, Index first, Index count) {
      for (Index b = first; b < first + count; ++b) {
        RowsView<S const> const own(x.row(b * rows), rows, x.width, x.stride);
        kernels::layer_norm_parameter_gradients(part, own, epsilon_, RowsView<Y const>(dy.row(b * rows), rows, dy.width, dy.stride), by_xhat[b], plain[b]);
      }
    });
    auto const add = [&](LearnedPart const& part, MatrixView<S> own) {
      if (part.learns) { kernels::column_dots(exec, own, own, part.vector(gradients)); }
    };
    if (!scale_) {
      add(learned_gain_, by_xhat);
      return add(learned_offset_, plain);
    }
    add(shift_, plain);
    if (!scale_.learns) { return; }
    kernels::scale_columns(exec, by_xhat, own_gain_.view(), VectorView<S const>(), by_xhat, false);
    kernels::scale_columns(exec, plain, own_offset_.view(), VectorView<S const>(), by_xhat, true);
    add(scale_, by_xhat);
  }

  struct Both {
    Vector<S> here;                          // host memory
    Vector<S, typename Exec::Memory> there;  // the executor's
  };

  void upload(Exec const& exec, VectorView<S const> values) {
    auto const value = [&](LearnedPart const& part, Vector<S> const& published, Index i) { return part ? part.vector(values)[i] : published(i); };
    for (Index i = 0; i < gain_.size(); ++i) {
      S const scale = scale_ ? scale_.vector(values)[i] : S{1};
      S const shift = shift_ ? shift_.vector(values)[i] : S{0};
      effective_gain_.here(i) = scale * value(learned_gain_, gain_, i);
      effective_offset_.here(i) = scale * value(learned_offset_, offset_, i) + shift;
    }
    kernels::upload(exec, effective_gain_.here.cview(), effective_gain_.there.view());
    kernels::upload(exec, effective_offset_.here.cview(), effective_offset_.there.view());
  }

  double epsilon_ = 0;
  LearnedPart learned_gain_;
  LearnedPart learned_offset_;
  LearnedPart scale_;
  LearnedPart shift_;
  Vector<S> gain_;
  Vector<S> offset_;
  Both effective_gain_;
  Both effective_offset_;
  Vector<S, typename Exec::Memory> own_gain_;  // where SSF stands behind the norm
  Vector<S, typename Exec::Memory> own_offset_;
};

}  // namespace accrete::nn
