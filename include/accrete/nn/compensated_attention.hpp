#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/attention.hpp>
#include <accrete/kernels/column_sums.hpp>
#include <accrete/kernels/elementwise.hpp>

namespace accrete::nn {

/// Attention behind a prefix whose weights sum to one by themselves. With a = softmax over prefix and own keys, and lambda the sum of a over the prefix:
///   y = sum over own j of a_j v_j + sum over prefix p of (a_p / lambda) v_p = (1 - lambda) attention(q, k, v) + attention(q, k_prefix, v_prefix)
/// Two plain attentions give that: one over all keys in which the prefix's values are zero, and one over the prefix alone.
/// @source Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning" (LAE), ICCV 2023, arXiv:2303.10070, as released (compensation)
template <class Exec, class T>
class CompensatedAttention {
 public:
  using S = SumScalar<T>;
  using Scratch = ScratchPool<typename Exec::Memory>;
  using Prefix = kernels::KeyValuePrefix<T>;

  /// @param[in] q [B * Nq, D];  @param[in] k, v [B * N, D];  @param[in] prefix  see kernels::KeyValuePrefix
  CompensatedAttention(Exec const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape const& shape, Prefix const& prefix, Scratch const& scratch)
      : exec_(exec), q_(q), k_(k), v_(v), shape_(shape), prefix_(prefix), scratch_(scratch), no_values_(scratch.template lease<T>(prefix.v.shape())) {
    kernels::fill(exec_, VectorView<T>(no_values_.data(), {prefix_.v.size()}), T{});
  }

  /// @param[out] y [B * Nq, D], its rows behind each other
  void forward(RowsView<T> y) const {
    kernels::attention(exec_, q_, k_, v_, shape_, without_values(), y);
    add_alone(y);
  }

  /// The same, and the logarithms of the sums over all keys.
  /// @param[out] log_sums [B * Nq, H]
  void forward(RowsView<T> y, MatrixView<S> log_sums) const {
    kernels::attention_with_log_sums(exec_, q_, k_, v_, shape_, without_values(), y, log_sums);
    add_alone(y);
  }

  /// Arguments as kernels::attention_backward, but for y, which is made again.
  void backward(MatrixView<S const> log_sums, RowsView<T const> dy, RowsView<T> dq, RowsView<T> dk, RowsView<T> dv, kernels::KeyValueGradient<S> const& d_prefix) const {
    auto const own = scratch_.template lease<T>(Shape<2>{q_.rows, q_.width});
    kernels::attention(exec_, q_, k_, v_, shape_, without_values(), RowsView<T>(own.view()));
    auto const unused = scratch_.template lease<S>(d_prefix.v.shape());
    kernels::fill(exec_, VectorView<S>(unused.data(), {d_prefix.v.size()}), S{0});
    kernels::attention_backward(exec_, q_, k_, v_, shape_, without_values(), RowsView<T const>(RowsView<T>(own.view())), log_sums, dy, dq, dk, dv,
                                kernels::KeyValueGradient<S>{d_prefix.k, unused.view(), d_prefix.length});
    backward_alone(dy, dq, d_prefix);
  }

 private:
  [[nodiscard]] Prefix without_values() const { return {prefix_.k, no_values_.view(), prefix_.length}; }
  [[nodiscard]] Index each() const { return q_.rows / shape_.batch; }
  [[nodiscard]] kernels::AttentionShape one() const { return {.batch = 1, .heads = shape_.heads}; }

  /// The rows of a sequence.
  template <class X>
  [[nodiscard]] static RowsView<X> of(RowsView<X> rows, Index sequence, Index each) {
    return {rows.data + sequence * each * rows.stride, each, rows.width, rows.stride};
  }
  /// The prefix of a sequence, or its gradient.
  template <class X>
  [[nodiscard]] RowsView<X> prefix_of(MatrixView<X> rows, Index sequence) const {
    return RowsView<X>(rows.extent(0) == prefix_.length ? rows : rows.slice(sequence * prefix_.length, prefix_.length));
  }

  void add_alone(RowsView<T> y) const {
    expects(y.stride == y.width, "CompensatedAttention::forward", "the rows of y must stand behind each other", y.stride, y.width);
    auto const alone = scratch_.template lease<T>(Shape<2>{q_.rows, q_.width});
    for (Index b = 0; b < shape_.batch; ++b) {
      kernels::attention(exec_, of(q_, b, each()), prefix_of(prefix_.k, b), prefix_of(prefix_.v, b), one(), Prefix{}, of(RowsView<T>(alone.view()), b, each()));
    }
    Index const count = q_.rows * q_.width;
    kernels::add(exec_, VectorView<T const>(alone.data(), {count}), VectorView<T>(y.data, {count}));
  }

  void backward_alone(RowsView<T const> dy, RowsView<T> dq, kernels::KeyValueGradient<S> const& d_prefix) const {
    Index const rows = each();
    auto const y = scratch_.template lease<T>(Shape<2>{rows, q_.width});
    auto const log_sums = scratch_.template lease<S>(Shape<2>{rows, shape_.heads});
    auto const d_query = scratch_.template lease<T>(Shape<2>{rows, q_.width});
    auto const d_key = scratch_.template lease<T>(Shape<2>{prefix_.length, q_.width});
    auto const d_value = scratch_.template lease<T>(Shape<2>{prefix_.length, q_.width});
    auto const ones = scratch_.template lease<S>(Shape<1>{q_.width});
    kernels::fill(exec_, ones.view(), S{1});
    auto const add = [&](MatrixView<T> from, auto to) { kernels::scale_columns(exec_, RowsView<T const>(RowsView<T>(from)), VectorView<S const>(ones.view()), VectorView<S const>(), to, true); };
    for (Index b = 0; b < shape_.batch; ++b) {
      auto const q = of(q_, b, rows);
      auto const k = prefix_of(prefix_.k, b);
      auto const v = prefix_of(prefix_.v, b);
      kernels::attention_with_log_sums(exec_, q, k, v, one(), Prefix{}, RowsView<T>(y.view()), log_sums.view());
      kernels::attention_backward(exec_, q, k, v, one(), Prefix{}, RowsView<T const>(RowsView<T>(y.view())), MatrixView<S const>(log_sums.view()), of(dy, b, rows), RowsView<T>(d_query.view()),
                                  RowsView<T>(d_key.view()), RowsView<T>(d_value.view()), kernels::KeyValueGradient<S>{});
      if (dq.rows > 0) { add(d_query.view(), of(dq, b, rows)); }
      if (d_prefix.length > 0) {
        add(d_key.view(), prefix_of(d_prefix.k, b));
        add(d_value.view(), prefix_of(d_prefix.v, b));
      }
    }
  }

  Exec const& exec_;
  RowsView<T const> q_;
  RowsView<T const> k_;
  RowsView<T const> v_;
  kernels::AttentionShape shape_;
  Prefix prefix_;
  Scratch const& scratch_;
  typename Scratch::template Lease<T, 2> no_values_;
};

}  // namespace accrete::nn
