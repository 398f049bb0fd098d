#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {

/// How the rows of q, k and v fall into sequences and heads.
struct AttentionShape {
  Index batch = 1;
  Index heads = 1;
};

/// Extra keys and values in front of every sequence's own; empty by default.
/// `k` and `v` are [P, D] when shared by the whole batch, [B * P, D] when each sequence has its own.
template <class T>
struct KeyValuePrefix {
  MatrixView<T const> k;
  MatrixView<T const> v;
  Index length = 0;  ///< P
};

namespace detail {
template <class Exec, class T, class Y>
concept RunsAttention = requires(Exec const& exec, RowsView<T const> q, AttentionShape shape, KeyValuePrefix<T> prefix, RowsView<Y> y) {
  attention_on(exec, q, q, q, shape, prefix, y);
};

struct AttentionFn {
  template <class Exec, class T, class Y>
  void operator()(Exec const& exec, RowsView<T const> q, NonDeduced<RowsView<T const>> k, NonDeduced<RowsView<T const>> v, AttentionShape shape, NonDeduced<KeyValuePrefix<T>> const& prefix,
                  RowsView<Y> y) const {
    static_assert(RunsAttention<Exec, T, Y>, "kernels::attention has no body for this executor and these scalars");
    expects(shape.batch > 0 && shape.heads > 0, "attention", "batch and heads must be positive", shape.batch, shape.heads);
    expects(q.width % shape.heads == 0, "attention", "the width must be a multiple of the heads", q.width, shape.heads);
    expects(q.width == k.width && k.width == v.width && y.width == v.width, "attention", "q, k, v and y must share the width", q.width, k.width, v.width, y.width);
    expects(k.rows == v.rows && q.rows == y.rows, "attention", "k and v, q and y must have one number of rows each", k.rows, v.rows, q.rows, y.rows);
    expects(q.rows % shape.batch == 0 && k.rows % shape.batch == 0 && k.rows > 0, "attention", "the rows must fall evenly into the sequences", q.rows, k.rows, shape.batch);
    bool const shared = prefix.k.extent(0) == prefix.length;
    expects(prefix.length == 0 || ((shared || prefix.k.extent(0) == shape.batch * prefix.length) && prefix.k.shape() == prefix.v.shape() && prefix.k.extent(1) == k.width), "attention",
            "prefix keys and values must be [P, D] or [B * P, D]", prefix.k.extent(0), prefix.v.extent(0), prefix.k.extent(1), prefix.length);
    attention_on(exec, q, k, v, shape, prefix, y);
  }
};
}  // namespace detail

/// Softmax attention, head by head: y = softmax(q k^T / sqrt(D / H)) v, with the prefix's keys and values in front.
/// Head h owns columns [h * D / H, (h + 1) * D / H). Queries may be fewer than keys: only their rows are computed.
/// A sequence's result depends on that sequence alone, bit for bit.
/// @param[in]  q [B * Nq, D];  @param[in] k, v [B * N, D]: rows of one sequence together; float, double or bfloat16
/// @param[out] y [B * Nq, D]   the scalar of q
/// @throws ShapeError  when the extents do not fit
/// Cost: 4 * B * Nq * (N + P) * D flop
inline constexpr detail::AttentionFn attention{};

}  // namespace accrete::kernels
