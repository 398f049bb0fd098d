#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>

#include <string_view>
#include <type_traits>

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
  Index length = 0;          ///< P
  bool compensated = false;  ///< its weights are to sum to one by themselves, which the kernels leave to nn/compensated_attention.hpp
};

/// Where the gradients of a prefix are added up.
/// `k` and `v` are [P, D] when summed over the batch, [B * P, D] when each sequence has its own. Empty when nobody asks for them.
template <class S>
struct KeyValueGradient {
  MatrixView<S> k;
  MatrixView<S> v;
  Index length = 0;  ///< P
};

namespace detail {
template <class Exec, class T, class Y>
concept RunsAttention = requires(Exec const& exec, RowsView<T const> q, AttentionShape shape, KeyValuePrefix<T> prefix, RowsView<Y> y) {
  attention_on(exec, q, q, q, shape, prefix, y);
};
template <class Exec, class T>
concept RunsAttentionWithLogSums = requires(Exec const& exec, RowsView<T const> q, AttentionShape shape, KeyValuePrefix<T> prefix, RowsView<T> y, MatrixView<SumScalar<T>> log_sums) {
  attention_with_log_sums_on(exec, q, q, q, shape, prefix, y, log_sums);
};
template <class Exec, class T>
concept RunsAttentionBackward = requires(Exec const& exec, RowsView<T const> q, AttentionShape shape, KeyValuePrefix<T> prefix, MatrixView<SumScalar<T> const> log_sums, RowsView<T> d,
                                         KeyValueGradient<SumScalar<T>> d_prefix) {
  attention_backward_on(exec, q, q, q, shape, prefix, q, log_sums, q, d, d, d, d_prefix);
};

/// What every form of attention asks of its operands.
template <class T>
void check_attention(std::string_view name, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, AttentionShape shape, KeyValuePrefix<T> const& prefix) {
  expects(shape.batch > 0 && shape.heads > 0, name, "batch and heads must be positive", shape.batch, shape.heads);
  expects(q.width % shape.heads == 0, name, "the width must be a multiple of the heads", q.width, shape.heads);
  expects(q.width == k.width && k.width == v.width, name, "q, k and v must share the width", q.width, k.width, v.width);
  expects(k.rows == v.rows, name, "k and v must have one number of rows", k.rows, v.rows);
  expects(q.rows % shape.batch == 0 && k.rows % shape.batch == 0 && k.rows > 0, name, "the rows must fall evenly into the sequences", q.rows, k.rows, shape.batch);
  expects(!prefix.compensated, name, "a compensated prefix takes two attentions", prefix.length);
  bool const shared = prefix.k.extent(0) == prefix.length;
  expects(prefix.length == 0 || ((shared || prefix.k.extent(0) == shape.batch * prefix.length) && prefix.k.shape() == prefix.v.shape() && prefix.k.extent(1) == k.width), name,
          "prefix keys and values must be [P, D] or [B * P, D]", prefix.k.extent(0), prefix.v.extent(0), prefix.k.extent(1), prefix.length);
}
template <class T>
void check_attention_rows(std::string_view name, std::string_view rule, RowsView<T const> q, RowsView<T const> rows) {
  expects(q.rows == rows.rows && q.width == rows.width, name, rule, q.rows, q.width, rows.rows, rows.width);
}

struct AttentionFn {
  template <class Exec, class T, class Y>
  void operator()(Exec const& exec, RowsView<T const> q, NonDeduced<RowsView<T const>> k, NonDeduced<RowsView<T const>> v, AttentionShape shape, NonDeduced<KeyValuePrefix<T>> const& prefix,
                  RowsView<Y> y) const {
    static_assert(RunsAttention<Exec, T, Y>, "kernels::attention has no body for this executor and these scalars");
    check_attention<T>("attention", q, k, v, shape, prefix);
    expects(q.rows == y.rows && q.width == y.width, "attention", "q and y must have one shape", q.rows, q.width, y.rows, y.width);
    attention_on(exec, q, k, v, shape, prefix, y);
  }
};

struct AttentionWithLogSumsFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, RowsView<T const> q, NonDeduced<RowsView<T const>> k, NonDeduced<RowsView<T const>> v, AttentionShape shape, NonDeduced<KeyValuePrefix<T>> const& prefix,
                  NonDeduced<RowsView<T>> y, NonDeduced<MatrixView<SumScalar<T>>> log_sums) const {
    static_assert(RunsAttentionWithLogSums<Exec, T>, "kernels::attention_with_log_sums has no body for this executor and this scalar");
    constexpr std::string_view name = "attention_with_log_sums";
    check_attention<T>(name, q, k, v, shape, prefix);
    check_attention_rows<T>(name, "q and y must have one shape", q, y);
    expects(log_sums.extent(0) == q.rows && log_sums.extent(1) == shape.heads, name, "there must be one sum per row of q and head", log_sums.extent(0), log_sums.extent(1), q.rows, shape.heads);
    attention_with_log_sums_on(exec, q, k, v, shape, prefix, y, log_sums);
  }
};

struct AttentionBackwardFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, RowsView<T const> q, NonDeduced<RowsView<T const>> k, NonDeduced<RowsView<T const>> v, AttentionShape shape, NonDeduced<KeyValuePrefix<T>> const& prefix,
                  NonDeduced<RowsView<T const>> y, NonDeduced<MatrixView<SumScalar<T> const>> log_sums, NonDeduced<RowsView<T const>> dy, NonDeduced<RowsView<T>> dq, NonDeduced<RowsView<T>> dk,
                  NonDeduced<RowsView<T>> dv, NonDeduced<KeyValueGradient<SumScalar<T>>> const& d_prefix) const {
    static_assert(RunsAttentionBackward<Exec, T>, "kernels::attention_backward has no body for this executor and this scalar");
    constexpr std::string_view name = "attention_backward";
    check_attention<T>(name, q, k, v, shape, prefix);
    check_attention_rows<T>(name, "q and y must have one shape", q, y);
    check_attention_rows<T>(name, "q and dy must have one shape", q, dy);
    expects(log_sums.extent(0) == q.rows && log_sums.extent(1) == shape.heads, name, "there must be one sum per row of q and head", log_sums.extent(0), log_sums.extent(1), q.rows, shape.heads);
    if (dk.rows == 0) {
      expects(dq.rows == 0 && dv.rows == 0, name, "dq, dk and dv must be empty together", dq.rows, dk.rows, dv.rows);
    } else {
      check_attention_rows<T>(name, "q and dq must have one shape", q, dq);
      check_attention_rows<T>(name, "k and dk must have one shape", k, dk);
      check_attention_rows<T>(name, "v and dv must have one shape", v, dv);
    }
    Index const rows = d_prefix.k.extent(0);
    expects(d_prefix.length == 0 ||
                (d_prefix.length == prefix.length && (rows == prefix.length || rows == shape.batch * prefix.length) && d_prefix.k.shape() == d_prefix.v.shape() && d_prefix.k.extent(1) == k.width),
            name, "prefix gradients must be [P, D] or [B * P, D]", rows, d_prefix.v.extent(0), d_prefix.k.extent(1), d_prefix.length, prefix.length);
    attention_backward_on(exec, q, k, v, shape, prefix, y, log_sums, dy, dq, dk, dv, d_prefix);
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

/// The same, and for each row and head what a backward pass needs to rebuild the weights:
///   log_sums(i, h) = log sum over j of exp(<q_i, k_j>_h / sqrt(D / H)),   the prefix's keys included
/// @param[out] y [B * Nq, D] the scalar of q, the bits `attention` gives;  @param[out] log_sums [B * Nq, H] float, double for double
/// @throws ShapeError  when the extents do not fit
inline constexpr detail::AttentionWithLogSumsFn attention_with_log_sums{};

/// The gradients of attention. Per head, with A_ij = exp(<q_i, k_j> / sqrt(D / H) - log_sums_i) rebuilt and delta_i = <dy_i, y_i>:
///   dv_j = sum_i A_ij dy_i,   dS_ij = A_ij (<dy_i, v_j> - delta_i),   dq_i = sum_j dS_ij k_j / sqrt(D / H),   dk_j = sum_i dS_ij q_i / sqrt(D / H)
/// Overwrites dq, dk and dv, which may be column ranges of one [B * N, 3D]; adds to d_prefix, over the batch in ascending order where it is shared.
/// With dq, dk and dv empty (nothing below learns) only the gradients of the prefix are formed, at 8 instead of 10 flop per entry and only for its columns.
/// @param[in]  q, y, dy [B * Nq, D];  @param[in] k, v [B * N, D]: float, double or bfloat16, products in that scalar, sums in float (double)
/// @param[in]  log_sums [B * Nq, H]  of the forward pass
/// @param[out] dq [B * Nq, D], dk, dv [B * N, D]  or all three empty; must not overlap what is read
/// @param[in,out] d_prefix  empty where nobody asks for it
/// @throws ShapeError  when the extents do not fit
/// Cost: 10 * B * Nq * (N + P) * D flop.  The same bits for any number of threads.
/// @source Dao et al., "FlashAttention", arXiv:2205.14135v2, appendix B.4 (the rebuilt weights and delta)
inline constexpr detail::AttentionBackwardFn attention_backward{};

}  // namespace accrete::kernels
