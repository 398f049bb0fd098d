#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/product.hpp>
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

  /// @param a      [rank, inputs];  @param b [rows, rank], both learned parts of one store
  /// @param first  the output that row 0 of b belongs to;  @param scale  s
  LowRank(LearnedPart a, LearnedPart b, Index rank, Index first, Index rows, S scale) : a_(a), b_(b), rank_(rank), first_(first), rows_(rows), scale_(scale) {}

  [[nodiscard]] bool learns() const { return a_.learns || b_.learns; }

  void refresh(Exec const& exec, VectorView<S const> values, bool first) {
    // The scale stands at the first factor on either way, so that what lies in between serves the gradients as it is.
    auto const a = a_.matrix(values, rank_);
    auto const b = b_.matrix(values, rows_);
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

  /// dA += s (dy B)^T x,   dB += s dy^T (x A^T), or the squares of the samples' own.
  void accumulate(Exec const& exec, RowsView<T> x, RowsView<T> dy, VectorView<S> gradients, Scratch const& scratch, Summation how = {}) const {
    auto const middle = scratch.template lease<T>(Shape<2>{dy.rows, rank_});
    RowsView<T> const rows(middle.view());
    if (a_.learns) {
      kernels::product(exec, part(dy), up_back_, {}, rows);
      how.add_weight_gradient(exec, rows, x, a_.matrix(gradients, rank_));
    }
    if (b_.learns) {
      kernels::product(exec, x, down_, {}, rows);
      how.add_weight_gradient(exec, part(dy), rows, b_.matrix(gradients, rows_));
    }
  }

 private:
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
  Index rank_ = 0;
  Index first_ = 0;
  Index rows_ = 0;
  S scale_ = 1;
  Matrix<S> scaled_a_;
  Matrix<S> scaled_b_;
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
    parts.emplace_back(parameters.learned(a), b, parameters.store().segment(a).shape[0], begin - first, rows, static_cast<SumScalar<T>>(scale));
  }
  return parts;
}

}  // namespace accrete::nn
