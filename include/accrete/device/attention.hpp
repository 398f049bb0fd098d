#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/attention.hpp>

#include <cmath>
#include <concepts>

namespace accrete::device {

/// What an attention reads, as its kernels take it. Key numbers count the prefix first.
template <class T>
struct AttentionInputs {
  RowsView<T const> q;
  RowsView<T const> k;
  RowsView<T const> v;
  T const* prefix_k;
  T const* prefix_v;
  Index prefix_length;
  Index prefix_step;  ///< prefix rows from one sequence to the next: 0 when all share them
  Index batch;
  Index heads;
  // Divided once, since a division costs a GPU as much as a row of sums.
  Index queries;   ///< of a sequence
  Index own_keys;  ///< of a sequence, without the prefix
  Index head_width;

  [[nodiscard]] ACCRETE_HD Index keys() const { return prefix_length + own_keys; }
  [[nodiscard]] ACCRETE_HD T const* key(Index sequence, Index number) const { return row_of(k, prefix_k, sequence, number); }
  [[nodiscard]] ACCRETE_HD T const* value(Index sequence, Index number) const { return row_of(v, prefix_v, sequence, number); }

 private:
  [[nodiscard]] ACCRETE_HD T const* row_of(RowsView<T const> const& own, T const* prefix, Index sequence, Index number) const {
    if (number < prefix_length) { return prefix + (sequence * prefix_step + number) * own.width; }
    return own.data + (sequence * own_keys + number - prefix_length) * own.stride;
  }
};

template <class T>
[[nodiscard]] AttentionInputs<T> attention_inputs(RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape, kernels::KeyValuePrefix<T> const& prefix) {
  bool const shared = prefix.k.extent(0) == prefix.length;
  return {q, k, v, prefix.k.data(), prefix.v.data(), prefix.length, shared ? 0 : prefix.length, shape.batch, shape.heads, q.rows / shape.batch, k.rows / shape.batch, q.width / shape.heads};
}

/// Softmax attention of one query and one head, a few keys at a time: the sums so far are rescaled whenever a larger score
/// turns up, so no row of scores is ever stored. Keys are taken in ascending order, the prefix first.
/// @source Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867v2, Algorithm 3
template <class T>
struct AttentionQuery {
  using Sum = SumScalar<T>;
  static constexpr int keys_at_once = 16;
  static constexpr int strip = 16;             ///< value columns that are added together
  static constexpr int columns_at_once = 128;  ///< of a head; a wider head computes its scores once per so many columns

  AttentionInputs<T> in;
  RowsView<T> y;
  Sum* log_sums;  ///< [rows, heads]; null where nobody asks

  /// @param item  query row * heads + head
  ACCRETE_HD void operator()(Index item) const {
    Index const row = item / in.heads;
    Index const head_width = in.head_width;
    Index const first = item % in.heads * head_width;
    for (Index column = 0; column < head_width; column += columns_at_once) {
      Index const left = head_width - column;
      State const state = attend(row, first, first + column, left < columns_at_once ? left : columns_at_once);
      if (log_sums != nullptr && column == 0) { log_sums[item] = state.largest + std::log(state.total); }
    }
  }

 private:
  struct State {
    Sum largest;
    Sum total;
    Sum mean[columns_at_once];
  };

  /// Columns [column, column + count) of the result; scores come from the head that begins at column `first`.
  ACCRETE_HD State attend(Index row, Index first, Index column, Index count) const {
    Index const sequence = row / in.queries;
    Index const head_width = in.head_width;
    Index const keys = in.keys();
    Sum const scale = Sum{1} / std::sqrt(static_cast<Sum>(head_width));
    T const* const query = in.q.data + row * in.q.stride + first;
    State state{-static_cast<Sum>(HUGE_VAL), Sum{0}, {}};
    for (Index key = 0; key < keys; key += keys_at_once) {
      int const size = keys - key < keys_at_once ? static_cast<int>(keys - key) : keys_at_once;
      Sum score[keys_at_once];
      Sum largest = state.largest;
      for (int i = 0; i < size; ++i) {
        score[i] = scale * inner_product<Sum>(query, in.key(sequence, key + i) + first, head_width);
        largest = score[i] > largest ? score[i] : largest;
      }
      rescale(state, largest, count);
      for (int i = 0; i < size; ++i) { add(state, std::exp(score[i] - largest), in.value(sequence, key + i) + column, count); }
    }
    T* const to = y.data + row * y.stride + column;
    for (Index i = 0; i < count; ++i) { to[i] = converted<T>(state.mean[i] / state.total); }
    return state;
  }

  ACCRETE_HD static void rescale(State& state, Sum largest, Index count) {
    if (largest == state.largest) { return; }
    Sum const factor = std::exp(state.largest - largest);  // 0 the first time
    state.largest = largest;
    state.total *= factor;
    for (Index i = 0; i < count; ++i) { state.mean[i] *= factor; }
  }

  ACCRETE_HD static void add(State& state, Sum weight, T const* value, Index count) {
    state.total += weight;
    Index i = 0;
    for (; i + strip <= count; i += strip) {
      for (int lane = 0; lane < strip; ++lane) { state.mean[i + lane] += weight * converted<Sum>(value[i + lane]); }
    }
    for (; i < count; ++i) { state.mean[i] += weight * converted<Sum>(value[i]); }
  }
};

/// Scalars that attention takes.
template <class T>
concept AttentionScalar = std::floating_point<T> || std::same_as<T, bfloat16>;

/// y, and the logarithms of the sums where they are wanted: what both forms of attention come down to.
template <OnProcessor System, AttentionScalar T>
void attend_queries(DeviceExecutor<System> const& exec, AttentionInputs<T> const& in, RowsView<T> y, SumScalar<T>* log_sums) {
  for_each_index(exec, "attention", in.q.rows * in.heads, AttentionQuery<T>{in, y, log_sums});
}

template <class System, AttentionScalar T>
void attention_on(DeviceExecutor<System> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape, kernels::KeyValuePrefix<T> const& prefix,
                  RowsView<T> y) {
  attend_queries(exec, attention_inputs(q, k, v, shape, prefix), y, static_cast<SumScalar<T>*>(nullptr));
}

template <class System, AttentionScalar T>
void attention_with_log_sums_on(DeviceExecutor<System> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape,
                                kernels::KeyValuePrefix<T> const& prefix, RowsView<T> y, MatrixView<SumScalar<T>> log_sums) {
  attend_queries(exec, attention_inputs(q, k, v, shape, prefix), y, log_sums.data());
}

}  // namespace accrete::device
