#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsSoftmax = requires(Exec const& exec, MatrixView<T> x) {
  softmax_on(exec, x);
};
template <class Exec, class T>
concept RunsRowStatistics = requires(Exec const& exec, MatrixView<T const> x, VectorView<double> out) {
  row_statistics_on(exec, x, out, out);
};
template <class Exec, class T>
concept RunsTopk = requires(Exec const& exec, MatrixView<T const> scores, MatrixView<Index> index, MatrixView<T> best) {
  topk_on(exec, scores, index, best);
};
template <class Exec, class T>
concept RunsCosine = requires(Exec const& exec, MatrixView<T const> a, MatrixView<T> y) {
  cosine_on(exec, a, a, y);
};

struct SoftmaxFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, MatrixView<T> x) const {
    static_assert(RunsSoftmax<Exec, T>, "kernels::softmax has no body for this executor and this scalar");
    softmax_on(exec, x);
  }
};

struct RowStatisticsFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, MatrixView<T> x, VectorView<double> mean, VectorView<double> variance) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsRowStatistics<Exec, Scalar>, "kernels::row_statistics has no body for this executor and this scalar");
    expects(mean.extent(0) == x.extent(0) && variance.extent(0) == x.extent(0), "row_statistics", "mean and variance must have one entry per row", mean.extent(0), variance.extent(0), x.extent(0));
    row_statistics_on(exec, MatrixView<Scalar const>(x), mean, variance);
  }
};

struct TopkFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<MatrixView<T const>> scores, MatrixView<Index> index, MatrixView<T> best) const {
    static_assert(RunsTopk<Exec, T>, "kernels::topk has no body for this executor and this scalar");
    expects(index.shape() == best.shape() && index.extent(0) == scores.extent(0), "topk", "index and best must be [rows, k]", index.extent(0), index.extent(1), best.extent(0), best.extent(1));
    expects(index.extent(1) <= scores.extent(1), "topk", "k must not exceed the number of columns", index.extent(1), scores.extent(1));
    topk_on(exec, scores, index, best);
  }
};

struct CosineFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<MatrixView<T const>> queries, NonDeduced<MatrixView<T const>> keys, MatrixView<T> y) const {
    static_assert(RunsCosine<Exec, T>, "kernels::cosine has no body for this executor and this scalar");
    expects(queries.extent(1) == keys.extent(1), "cosine", "queries and keys must share the width", queries.extent(0), queries.extent(1), keys.extent(0), keys.extent(1));
    expects(y.extent(0) == queries.extent(0) && y.extent(1) == keys.extent(0), "cosine", "y must be [queries, keys]", y.extent(0), y.extent(1), queries.extent(0), keys.extent(0));
    cosine_on(exec, queries, keys, y);
  }
};
}  // namespace detail

/// Each row becomes its softmax, in place; the row's maximum is subtracted first.
/// @param[in,out] x [rows, C] float or double
inline constexpr detail::SoftmaxFn softmax{};

/// Mean and biased variance of each row, in float64 and two passes.
/// @param[in] x [rows, C] float or double;  @param[out] mean, variance [rows]
inline constexpr detail::RowStatisticsFn row_statistics{};

/// The k largest entries of each row, best first; ties go to the lower column, NaN counts as the smallest value.
/// @param[in] scores [rows, C];  @param[out] index [rows, k] columns;  @param[out] best [rows, k] their values
/// @throws ShapeError  when k > C or the outputs differ in shape
inline constexpr detail::TopkFn topk{};

/// y_ij = <q_i, k_j> / (max(|q_i|, 1e-12) max(|k_j|, 1e-12)): a row of zeros scores 0 against everything.
/// @param[in] queries [B, D];  @param[in] keys [C, D];  @param[out] y [B, C];  float or double
/// A query's scores do not depend on the other queries, bit for bit.
inline constexpr detail::CosineFn cosine{};

}  // namespace accrete::kernels
