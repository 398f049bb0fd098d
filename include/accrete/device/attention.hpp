#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/attention.hpp>

#include <cmath>
#include <concepts>

namespace accrete::device {

/// Softmax attention of one query and one head, a few keys at a time: the sums so far are rescaled whenever a larger score
/// turns up, so no row of scores is ever stored. Keys are taken in ascending order, the prefix first.
/// @source Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867v2, Algorithm 3
template <class T, class Y>
struct AttentionQuery {
  using Sum = Accumulator<T>;
  static constexpr int keys_at_once = 16;
  static constexpr int strip = 16;             ///< value columns that are added together
  static constexpr int columns_at_once = 128;  ///< of a head; a wider head computes its scores once per so many columns

  RowsView<T const> q;
  RowsView<T const> k;
  RowsView<T const> v;
  T const* prefix_k;
  T const* prefix_v;
  Index prefix_length;
  Index prefix_step;  ///< prefix rows from one sequence to the next: 0 when all share them
  Index batch;
  Index heads;
  RowsView<Y> y;

  /// @param item  query row * heads + head
  ACCRETE_HD void operator()(Index item) const {
    Index const row = item / heads;
    Index const head_width = q.width / heads;
    Index const first = item % heads * head_width;
    for (Index column = 0; column < head_width; column += columns_at_once) {
      Index const left = head_width - column;
      attend(row, first, head_width, first + column, left < columns_at_once ? left : columns_at_once);
    }
  }

 private:
  struct State {
    Sum largest;
    Sum total;
    Sum mean[columns_at_once];
  };

  /// Columns [column, column + count) of the result; scores come from columns [first, first + head_width).
  ACCRETE_HD void attend(Index row, Index first, Index head_width, Index column, Index count) const {
    Index const sequence = row / (q.rows / batch);
    Index const own_keys = k.rows / batch;
    Index const keys = prefix_length + own_keys;
    Sum const scale = Sum{1} / std::sqrt(static_cast<Sum>(head_width));
    T const* const query = q.data + row * q.stride + first;
    State state{-static_cast<Sum>(HUGE_VAL), Sum{0}, {}};
    for (Index key = 0; key < keys; key += keys_at_once) {
      int const size = keys - key < keys_at_once ? static_cast<int>(keys - key) : keys_at_once;
      Sum score[keys_at_once];
      Sum largest = state.largest;
      for (int i = 0; i < size; ++i) {
        score[i] = scale * inner_product<Sum>(query, row_of(k, prefix_k, sequence, own_keys, key + i) + first, head_width);
        largest = score[i] > largest ? score[i] : largest;
      }
      rescale(state, largest, count);
      for (int i = 0; i < size; ++i) { add(state, std::exp(score[i] - largest), row_of(v, prefix_v, sequence, own_keys, key + i) + column, count); }
    }
    Y* const to = y.data + row * y.stride + column;
    for (Index i = 0; i < count; ++i) { to[i] = converted<Y>(state.mean[i] / state.total); }
  }

  [[nodiscard]] ACCRETE_HD T const* row_of(RowsView<T const> const& own, T const* prefix, Index sequence, Index own_keys, Index key) const {
    if (key < prefix_length) { return prefix + (sequence * prefix_step + key) * own.width; }
    return own.data + (sequence * own_keys + key - prefix_length) * own.stride;
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

template <class System, class T, class Y>
  requires(std::same_as<T, Y> && (std::floating_point<T> || std::same_as<T, bfloat16>))
void attention_on(DeviceExecutor<System> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape, kernels::KeyValuePrefix<T> const& prefix,
                  RowsView<Y> y) {
  bool const shared = prefix.k.extent(0) == prefix.length;
  for_each_index(exec, "attention", q.rows * shape.heads, AttentionQuery<T, Y>{q, k, v, prefix.k.data(), prefix.v.data(), prefix.length, shared ? 0 : prefix.length, shape.batch, shape.heads, y});
}

}  // namespace accrete::device
