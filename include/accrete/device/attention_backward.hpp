#pragma once

#include <accrete/device/attention.hpp>
#include <accrete/device/column_sums.hpp>

#include <cmath>
#include <cstddef>

namespace accrete::device {

/// What the gradients of attention read.
template <class T>
struct AttentionGradientInputs {
  using Sum = SumScalar<T>;

  AttentionInputs<T> in;
  RowsView<T const> y;
  RowsView<T const> dy;
  Sum const* log_sums;  ///< [rows, heads]
  Sum const* delta;     ///< [rows, heads]  <dy, y> of that head

  /// The weight of a key for one query and head, and the derivative of the loss by that pair's score.
  struct Pair {
    Sum weight;
    Sum d_score;  ///< times 1 / sqrt(head width)
  };

  [[nodiscard]] ACCRETE_HD Pair pair(Index row, Index head, T const* key, T const* value) const {
    Index const head_width = in.head_width;
    Index const first = head * head_width;
    Sum const scale = Sum{1} / std::sqrt(static_cast<Sum>(head_width));
    Index const item = row * in.heads + head;
    Sum const weight = std::exp(scale * inner_product<Sum>(in.q.data + row * in.q.stride + first, key + first, head_width) - log_sums[item]);
    Sum const d_weight = inner_product<Sum>(dy.data + row * dy.stride + first, value + first, head_width);
    return {weight, scale * weight * (d_weight - delta[item])};
  }

  /// Calls add(column, count) for the columns of a head, `at_once` of them or what is left.
  template <class Add>
  ACCRETE_HD void for_columns(Index head, Index at_once, Add const& add) const {
    Index const end = (head + 1) * in.head_width;
    for (Index column = head * in.head_width; column < end; column += at_once) {
      Index const left = end - column;
      add(column, left < at_once ? left : at_once);
    }
  }
};

/// delta of one query row and head.
template <class T>
struct AttentionDelta {
  RowsView<T const> y;
  RowsView<T const> dy;
  Index heads;
  SumScalar<T>* delta;

  ACCRETE_HD void operator()(Index item) const {
    Index const head_width = y.width / heads;
    Index const row = item / heads;
    Index const first = item % heads * head_width;
    delta[item] = inner_product<SumScalar<T>>(dy.data + row * dy.stride + first, y.data + row * y.stride + first, head_width);
  }
};

/// dq of one query row and head, keys in ascending order.
template <class T>
struct QueryGradient {
  using Sum = SumScalar<T>;
  static constexpr int columns_at_once = 128;  ///< of a head; a wider head rebuilds its weights once per so many columns

  AttentionGradientInputs<T> from;
  RowsView<T> dq;

  /// @param item  query row * heads + head
  ACCRETE_HD void operator()(Index item) const {
    Index const head = item % from.in.heads;
    from.for_columns(head, columns_at_once, [&](Index column, Index count) { add(item / from.in.heads, head, column, count); });
  }

 private:
  ACCRETE_HD void add(Index row, Index head, Index column, Index count) const {
    Index const sequence = row / from.in.queries;
    Sum sum[columns_at_once] = {};
    for (Index key = 0; key < from.in.keys(); ++key) {
      T const* const k = from.in.key(sequence, key);
      Sum const factor = from.pair(row, head, k, from.in.value(sequence, key)).d_score;
      for (Index i = 0; i < count; ++i) { sum[i] += factor * converted<Sum>(k[column + i]); }
    }
    for (Index i = 0; i < count; ++i) { dq.data[row * dq.stride + column + i] = converted<T>(sum[i]); }
  }
};

/// dk and dv of one key and head, the queries of its sequence in ascending order.
/// @tparam Y  T for a sequence's own keys, the scalar of sums for those of a prefix
template <class T, class Y>
struct KeyGradient {
  using Sum = SumScalar<T>;
  static constexpr int columns_at_once = 64;  ///< of a head; a wider head rebuilds its weights once per so many columns

  AttentionGradientInputs<T> from;
  Index first_key;
  Index keys;  ///< per sequence, from `first_key` on
  RowsView<Y> dk;
  RowsView<Y> dv;
  bool accumulate;

  /// @param item  row of dk * heads + head
  ACCRETE_HD void operator()(Index item) const {
    Index const head = item % from.in.heads;
    from.for_columns(head, columns_at_once, [&](Index column, Index count) { add(item / from.in.heads, head, column, count); });
  }

 private:
  ACCRETE_HD void add(Index row, Index head, Index column, Index count) const {
    Index const sequence = row / keys;
    T const* const k = from.in.key(sequence, first_key + row % keys);
    T const* const v = from.in.value(sequence, first_key + row % keys);
    Index const queries = from.in.queries;
    Sum key_sum[columns_at_once] = {};
    Sum value_sum[columns_at_once] = {};
    for (Index query = sequence * queries; query < (sequence + 1) * queries; ++query) {
      auto const pair = from.pair(query, head, k, v);
      T const* const q = from.in.q.data + query * from.in.q.stride + column;
      T const* const dy = from.dy.data + query * from.dy.stride + column;
      for (Index i = 0; i < count; ++i) {
        key_sum[i] += pair.d_score * converted<Sum>(q[i]);
        value_sum[i] += pair.weight * converted<Sum>(dy[i]);
      }
    }
    for (Index i = 0; i < count; ++i) {
      store(key_sum[i], dk.data[row * dk.stride + column + i]);
      store(value_sum[i], dv.data[row * dv.stride + column + i]);
    }
  }

  ACCRETE_HD void store(Sum value, Y& to) const { to = converted<Y>(accumulate ? converted<Sum>(to) + value : value); }
};

template <OnProcessor System, AttentionScalar T>
void query_gradients(DeviceExecutor<System> const& exec, AttentionGradientInputs<T> const& from, RowsView<T> dq) {
  for_each_index(exec, "attention_backward", dq.rows * from.in.heads, QueryGradient<T>{from, dq});
}

/// @param first_key, keys  which of each sequence's
/// @param[in,out] dk, dv   [B * keys, D]
template <OnProcessor System, AttentionScalar T, class Y>
void key_gradients(DeviceExecutor<System> const& exec, AttentionGradientInputs<T> const& from, Index first_key, Index keys, RowsView<Y> dk, RowsView<Y> dv, bool accumulate) {
  for_each_index(exec, "attention_backward", dk.rows * from.in.heads, KeyGradient<T, Y>{from, first_key, keys, dk, dv, accumulate});
}

/// A prefix that all sequences share has its gradient made per sequence first, so that the order of the sum over the batch is fixed and its parts are made together.
template <class System, AttentionScalar T>
void attention_backward_on(DeviceExecutor<System> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape, kernels::KeyValuePrefix<T> const& prefix,
                           RowsView<T const> y, MatrixView<SumScalar<T> const> log_sums, RowsView<T const> dy, RowsView<T> dq, RowsView<T> dk, RowsView<T> dv,
                           kernels::KeyValueGradient<SumScalar<T>> const& d_prefix) {
  using Sum = SumScalar<T>;
  Index const items = q.rows * shape.heads;
  if (items > 0) {
    auto const memory = exec.system.borrow(static_cast<std::size_t>(items) * sizeof(Sum));
    auto* const delta = static_cast<Sum*>(memory.data());
    for_each_index(exec, "attention_backward", items, AttentionDelta<T>{y, dy, shape.heads, delta});
    AttentionGradientInputs<T> const from{attention_inputs(q, k, v, shape, prefix), y, dy, log_sums.data(), delta};
    if (dk.rows > 0) {
      query_gradients(exec, from, dq);
      key_gradients(exec, from, prefix.length, from.in.own_keys, dk, dv, false);
    }
    Index const rows = shape.batch * d_prefix.length;
    if (rows == 0) { return; }
    if (d_prefix.k.extent(0) == rows) {
      key_gradients(exec, from, 0, prefix.length, RowsView<Sum>(d_prefix.k), RowsView<Sum>(d_prefix.v), true);
    } else {
      auto const parts = exec.system.borrow(static_cast<std::size_t>(2 * rows * k.width) * sizeof(Sum));
      RowsView<Sum> const part_k(static_cast<Sum*>(parts.data()), rows, k.width, k.width);
      RowsView<Sum> const part_v(part_k.data + rows * k.width, rows, k.width, k.width);
      key_gradients(exec, from, 0, prefix.length, part_k, part_v, false);
      Index const step = d_prefix.length * k.width;
      add_column_sums(exec, "attention_backward", shape.batch, step, ValueTerm<Sum, Sum>{RowsView<Sum const>(part_k.data, shape.batch, step, step)}, d_prefix.k.data());
      add_column_sums(exec, "attention_backward", shape.batch, step, ValueTerm<Sum, Sum>{RowsView<Sum const>(part_v.data, shape.batch, step, step)}, d_prefix.v.data());
    }
  }
}

}  // namespace accrete::device
