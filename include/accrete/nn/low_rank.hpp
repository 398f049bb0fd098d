#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/column_sums.hpp>
#include <accrete/kernels/elementwise.hpp>
#include <accrete/kernels/product.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/kernels/weight_gradient.hpp>
#include <accrete/nn/layer_parameters.hpp>
#include <accrete/nn/summation.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace accrete::nn {

/// The low-rank part of a linear layer that learns, for a range of its outputs: y(:, first .. first + rows) += s (x A^T) B^T.
/// @source Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, arXiv:2106.09685, Eq. 3
template <class Exec, class T>
class LowRank {
 public:
  using S = SumScalar<T>;
  using Scratch = ScratchPool<typename Exec::Memory>;

  /// @param a      [rank, inputs];  @param b [rows, rank];  @param factor [1] or none: all learned parts of one store
  /// @param first  the output that row 0 of b belongs to;  @param scale  s, or what the factor is multiplied by
  LowRank(LearnedPart a, LearnedPart b, LearnedPart factor, Index rank, Index first, Index rows, S scale) : a_(a), b_(b), factor_(factor), rank_(rank), first_(first), rows_(rows), scale_(scale) {}

  [[nodiscard]] bool learns() const { return a_.learns || b_.learns || factor_.learns; }

  void refresh(Exec const& exec, VectorView<S const> values, bool first) {
    auto const a = a_.matrix(values, rank_);
    auto const b = b_.matrix(values, rows_);
    if (factor_) { return refresh_scaled(exec, a, b, scale_ * factor_.vector(values)[0], first); }
    // The scale stands at the first factor on either way, so that what lies in between serves the gradients as it is.
    pack(exec, scaled(a, scaled_a_), kernels::WeightOrder::output_rows, first, down_);
    pack(exec, a, kernels::WeightOrder::input_rows, first, down_back_);
    pack(exec, b, kernels::WeightOrder::output_rows, first, up_);
    pack(exec, scaled(b, scaled_b_), kernels::WeightOrder::input_rows, first, up_back_);
  }

  /// y += s (x A^T) B^T on this part's outputs.
  template <class Y>
  void forward(Exec const& exec, RowsView<T> x, RowsView<Y> y, Scratch const& scratch) const {
    auto const middle = scratch.template lease<T>(Shape<2>{x.rows, rank_});
    kernels::product(exec, x, down_, {}, RowsView<T>(middle.view()));
    kernels::product(exec, RowsView<T>(middle.view()), up_, {.accumulate = true}, part(y));
  }

  /// dx += s (dy B) A.
  void backward(Exec const& exec, RowsView<T> dy, RowsView<T> dx, Scratch const& scratch) const {
    auto const middle = scratch.template lease<T>(Shape<2>{dy.rows, rank_});
    kernels::product(exec, part(dy), up_back_, {}, RowsView<T>(middle.view()));
    kernels::product(exec, RowsView<T>(middle.view()), down_back_, {.accumulate = true}, dx);
  }

  /// dA += s (dy B)^T x,   dB += s dy^T (x A^T),   and where the scale learns ds += <B, dy^T (x A^T)>; or the squares of the samples' own.
  void accumulate(Exec const& exec, RowsView<T> x, RowsView<T> dy, VectorView<S> gradients, Scratch const& scratch, Summation how = {}) const {
    auto const middle = scratch.template lease<T>(Shape<2>{dy.rows, rank_});
    RowsView<T> const rows(middle.view());
    if (a_.learns) {
      kernels::product(exec, part(dy), up_back_, {}, rows);
      how.add_weight_gradient(exec, rows, x, a_.matrix(gradients, rank_));
    }
    if (factor_) {
      kernels::product(exec, x, down_, {}, rows);
      accumulate_scaled(exec, dy, rows, gradients, scratch, how);
    } else if (b_.learns) {
      kernels::product(exec, x, down_, {}, rows);
      how.add_weight_gradient(exec, part(dy), rows, b_.matrix(gradients, rows_));
    }
  }

 private:
  /// With a scale that learns it stands at B on either way, so that x A^T is free of it.
  void refresh_scaled(Exec const& exec, MatrixView<S const> a, MatrixView<S const> b, S scale, bool first) {
    pack(exec, a, kernels::WeightOrder::output_rows, first, down_);
    pack(exec, a, kernels::WeightOrder::input_rows, first, down_back_);
    if (first) {
      scaled_b_ = Matrix<S>(b.shape());
      host_scales_ = Vector<S>({rank_});
      scales_ = Vector<S, typename Exec::Memory>({rank_});
      unscaled_b_ = Vector<S, typename Exec::Memory>({b.size()});
    }
    std::transform(b.begin(), b.end(), scaled_b_.begin(), [scale](S value) { return scale * value; });
    pack(exec, scaled_b_.cview(), kernels::WeightOrder::output_rows, first, up_);
    pack(exec, scaled_b_.cview(), kernels::WeightOrder::input_rows, first, up_back_);
    std::transform(b.begin(), b.end(), scaled_b_.begin(), [this](S value) { return scale_ * value; });
    kernels::upload(exec, VectorView<S const>(scaled_b_.data(), {b.size()}), unscaled_b_.view());
    std::fill(host_scales_.begin(), host_scales_.end(), scale);
    kernels::upload(exec, host_scales_.cview(), scales_.view());
    exec.wait();  // the next refresh writes what is uploaded here
  }

  /// @param[in] middle  x A^T
  void accumulate_scaled(Exec const& exec, RowsView<T> dy, RowsView<T> middle, VectorView<S> gradients, Scratch const& scratch, Summation how) const {
    auto const product = scratch.template lease<S>(Shape<2>{rows_, rank_});
    Index const count = rows_ * rank_;
    how.for_samples(part(dy), middle, [&](RowsView<T> own_dy, RowsView<T> own_middle) {
      kernels::fill(exec, VectorView<S>(product.data(), {count}), S{0});
      kernels::weight_gradient(exec, RowsView<T const>(own_dy), RowsView<T const>(own_middle), product.view());
      if (factor_.learns) { how.add_dot(exec, VectorView<S>(product.data(), {count}), unscaled_b_.view(), factor_.vector(gradients), scratch); }
      if (b_.learns) { how.add_scaled(exec, RowsView<S>(product.view()), scales_.view(), RowsView<S>(b_.matrix(gradients, rows_))); }
    });
  }

  template <class Y>
  [[nodiscard]] RowsView<Y> part(RowsView<Y> y) const {
    return {y.data + first_, y.rows, rows_, y.stride};
  }

  static void pack(Exec const& exec, MatrixView<S const> weight, kernels::WeightOrder order, bool first, typename Exec::PackedWeights& packed) {
    if (first) {
      packed = kernels::pack(exec, weight, VectorView<S const>(), order);
    } else {
      kernels::repack(exec, weight, VectorView<S const>(), order, packed);
    }
  }

  [[nodiscard]] MatrixView<S const> scaled(MatrixView<S const> from, Matrix<S>& to) const {
    if (to.empty()) { to = Matrix<S>(from.shape()); }
    std::transform(from.begin(), from.end(), to.begin(), [this](S value) { return scale_ * value; });
    return to.cview();
  }

  LearnedPart a_;
  LearnedPart b_;
  LearnedPart factor_;
  Index rank_ = 0;
  Index first_ = 0;
  Index rows_ = 0;
  S scale_ = 1;
  Matrix<S> scaled_a_;
  Matrix<S> scaled_b_;
  Vector<S> host_scales_;
  Vector<S, typename Exec::Memory> scales_;      // s times the factor, as many times as a row of B is wide
  Vector<S, typename Exec::Memory> unscaled_b_;  // s B
  typename Exec::PackedWeights down_;
  typename Exec::PackedWeights down_back_;
  typename Exec::PackedWeights up_;
  typename Exec::PackedWeights up_back_;
};

/// One low-rank part of a packed layer: its suffix and the outputs it stands behind.
struct LowRankPlace {
  std::string suffix;
  Index first = 0;
  Index rows = 0;
};

/// Where low-rank parts may stand behind a layer of `outputs` rows: behind all of them, or behind the queries, keys and values of a packed q, k, v.
[[nodiscard]] inline std::array<LowRankPlace, 4> low_rank_places(Index outputs) {
  Index const third = outputs / 3;
  return {{{".lora", 0, outputs}, {".lora_q", 0, third}, {".lora_k", third, third}, {".lora_v", 2 * third, third}}};
}

/// The low-rank parts that a store holds for rows [first, first + count) of a layer.
template <class Exec, class T>
[[nodiscard]] std::vector<LowRank<Exec, T>> find_low_rank(LayerParameters<SumScalar<T>> const& parameters, std::string const& layer, Index outputs, Index first, Index count, double scale) {
  std::vector<LowRank<Exec, T>> parts;
  for (LowRankPlace const& place : low_rank_places(outputs)) {
    std::string const a = layer + place.suffix + ".a";
    Index const begin = std::max(place.first, first);
    Index const rows = std::min(place.first + place.rows, first + count) - begin;
    if (!parameters.learned(a) || rows <= 0) { continue; }
    LearnedPart const b = parameters.learned(layer + place.suffix + ".b").rows(begin - place.first, rows, place.rows);
    parts.emplace_back(parameters.learned(a), b, parameters.learned(layer + place.suffix + ".scale"), parameters.store().segment(a).shape[0], begin - first, rows, static_cast<SumScalar<T>>(scale));
  }
  return parts;
}

}  // namespace accrete::nn
