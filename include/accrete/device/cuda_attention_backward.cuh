#pragma once

// Needs nvcc. Threads of a block share rows through its own memory, which Thrust has no word for.

#include <accrete/device/attention_backward.hpp>
#include <accrete/device/attention_tiles.cuh>
#include <accrete/device/cuda_system.cuh>

#include <cuda_runtime.h>

#include <type_traits>

namespace accrete::device {

/// The gradient of one tile of queries, or of one tile of keys and values, for one sequence and head, in float: 256 threads as
/// 16 x 16, each with `RowsEach` rows by four columns of a tile of weights, and by every sixteenth column of the result. The rows
/// on the other side come in tiles of 64 in ascending order; their weights are rebuilt from the logarithms of the sums.
/// Scores and products are made once for the queries and once for the keys, so that no two blocks add to one element.
/// @tparam Columns  of a head, at most: 64 or 128
/// @tparam OfKeys   whether the rows are keys, which have two gradients
template <class T, class Y, int Columns, int RowsEach, bool OfKeys>
struct GradientTiles {
  static constexpr int threads = 256;
  static constexpr int across = 16;  ///< threads that share a row
  static constexpr int rows = across * RowsEach;
  static constexpr int others = 64;
  static constexpr int four = 4;
  static constexpr int columns_each = Columns / across;
  static constexpr int row_stride = rows + four;  // a column is followed by a gap, as in FloatTiles
  static constexpr int other_stride = others + four;
  static constexpr int shared_floats = 2 * Columns * (row_stride + other_stride) + (OfKeys ? 2 : 1) * others * row_stride;

  AttentionGradientInputs<T> from;
  Index first;           ///< the sequence's first row that has a gradient here
  Index count;           ///< rows of a sequence from there on
  RowsView<Y> d_first;   ///< of queries, or of keys
  RowsView<Y> d_second;  ///< of values
  bool accumulate;

  __device__ void operator()(AttentionTile const& tile, float* shared) const {
    float* const row_first = shared;                                   // [column][row] queries or keys
    float* const row_second = row_first + Columns * row_stride;        // [column][row] dy or values
    float* const other_first = row_second + Columns * row_stride;      // [column][other] keys or queries
    float* const other_second = other_first + Columns * other_stride;  // [column][other] values or dy
    float* const d_scores = other_second + Columns * other_stride;     // [other][row]
    float* const weights = d_scores + others * row_stride;             // [other][row], where rows are keys
    int const column_of_thread = static_cast<int>(threadIdx.x) % across;
    int const row_of_thread = static_cast<int>(threadIdx.x) / across * RowsEach;
    auto const head_width = static_cast<int>(from.in.head_width);
    float const scale = 1.0F / sqrtf(static_cast<float>(head_width));
    Index const other_count = OfKeys ? from.in.queries : from.in.keys();
    int const present_rows = count - tile.first_row < rows ? static_cast<int>(count - tile.first_row) : rows;
    load<OfKeys, rows, row_stride>(tile, first + tile.first_row, present_rows, row_first, row_second);

    float sum_first[RowsEach][columns_each] = {};
    float sum_second[RowsEach][columns_each] = {};
    for (Index first_other = 0; first_other < other_count; first_other += others) {
      int const present = other_count - first_other < others ? static_cast<int>(other_count - first_other) : others;
      __syncthreads();  // the tile before is done with
      load<!OfKeys, others, other_stride>(tile, first_other, present, other_first, other_second);
      __syncthreads();
      float score[RowsEach][four] = {};
      float d_weight[RowsEach][four] = {};
      for (int column = 0; column < head_width; ++column) {
        float mine[RowsEach];
        float theirs[four];
        take<RowsEach>(row_first + column * row_stride + row_of_thread, mine);
        take<four>(other_first + column * other_stride + column_of_thread * four, theirs);
        for (int i = 0; i < RowsEach; ++i) {
          for (int j = 0; j < four; ++j) { score[i][j] += mine[i] * theirs[j]; }
        }
        take<RowsEach>(row_second + column * row_stride + row_of_thread, mine);
        take<four>(other_second + column * other_stride + column_of_thread * four, theirs);
        for (int i = 0; i < RowsEach; ++i) {
          for (int j = 0; j < four; ++j) { d_weight[i][j] += mine[i] * theirs[j]; }
        }
      }
      for (int i = 0; i < RowsEach; ++i) {
        for (int j = 0; j < four; ++j) {
          int const row = row_of_thread + i;
          int const other = column_of_thread * four + j;
          float weight = 0.0F;
          float d_score = 0.0F;
          if (row < present_rows && other < present) {
            Index const query = OfKeys ? first_other + other : tile.first_row + row;
            Index const item = (tile.sequence * from.in.queries + query) * from.in.heads + tile.head;
            weight = expf(scale * score[i][j] - from.log_sums[item]);
            d_score = scale * weight * (d_weight[i][j] - from.delta[item]);
          }
          d_scores[other * row_stride + row] = d_score;
          if constexpr (OfKeys) { weights[other * row_stride + row] = weight; }
        }
      }
      __syncthreads();
      for (int other = 0; other < present; ++other) {
        add(d_scores + other * row_stride + row_of_thread, other_first + column_of_thread * other_stride + other, sum_first);
        if constexpr (OfKeys) { add(weights + other * row_stride + row_of_thread, other_second + column_of_thread * other_stride + other, sum_second); }
      }
    }
    store(tile, row_of_thread, column_of_thread, sum_first, d_first);
    if constexpr (OfKeys) { store(tile, row_of_thread, column_of_thread, sum_second, d_second); }
  }

 private:
  /// Keys and values, or queries and dy, as columns; zeros for what is not there.
  template <bool Keys, int Count, int Stride>
  __device__ void load(AttentionTile const& tile, Index first_number, int present, float* to_first, float* to_second) const {
    Index const first_column = tile.head * from.in.head_width;
    for (int e = static_cast<int>(threadIdx.x); e < Count * Columns; e += threads) {
      int const row = e / Columns;
      int const column = e % Columns;
      float one = 0.0F;
      float two = 0.0F;
      if (row < present && column < from.in.head_width) {
        Index const number = first_number + row;
        Index const place = tile.sequence * from.in.queries + number;
        one = converted<float>((Keys ? from.in.key(tile.sequence, number) : from.in.q.data + place * from.in.q.stride)[first_column + column]);
        two = converted<float>((Keys ? from.in.value(tile.sequence, number) : from.dy.data + place * from.dy.stride)[first_column + column]);
      }
      to_first[column * Stride + row] = one;
      to_second[column * Stride + row] = two;
    }
  }

  /// One row on the other side: its weights for this thread's rows times its columns.
  __device__ static void add(float const* factors, float const* columns, float (&sum)[RowsEach][columns_each]) {
    float factor[RowsEach];
    take<RowsEach>(factors, factor);
    for (int c = 0; c < columns_each; ++c) {
      float const value = columns[c * across * other_stride];
      for (int i = 0; i < RowsEach; ++i) { sum[i][c] += factor[i] * value; }
    }
  }

  __device__ void store(AttentionTile const& tile, int row_of_thread, int column_of_thread, float const (&sum)[RowsEach][columns_each], RowsView<Y> const& d) const {
    for (int i = 0; i < RowsEach; ++i) {
      Index const row = tile.first_row + row_of_thread + i;
      if (row >= count) { continue; }
      for (int c = 0; c < columns_each; ++c) {
        int const column = c * across + column_of_thread;
        if (column >= from.in.head_width) { continue; }
        Y& to = d.data[(tile.sequence * count + row) * d.stride + tile.head * from.in.head_width + column];
        to = converted<Y>(accumulate ? converted<float>(to) + sum[i][c] : sum[i][c]);
      }
    }
  }
};

/// Heads of up to 128 columns in tiles; wider ones and double have one thread a query.
template <AttentionScalar T>
void query_gradients(DeviceExecutor<CudaSystem> const& exec, AttentionGradientInputs<T> const& from, RowsView<T> dq) {
  if constexpr (!std::is_same_v<T, double>) {
    auto const runs = [&](auto const& tiles) { return run_attention_tiles(exec, "attention_backward", {from.in.batch, from.in.heads}, from.in.queries, tiles); };
    if (from.in.head_width <= 64 && runs(GradientTiles<T, T, 64, 4, false>{from, 0, from.in.queries, dq, dq, false})) { return; }
    if (from.in.head_width <= 128 && runs(GradientTiles<T, T, 128, 2, false>{from, 0, from.in.queries, dq, dq, false})) { return; }
  }
  for_each_index(exec, "attention_backward", dq.rows * from.in.heads, QueryGradient<T>{from, dq});
}

/// As `query_gradients`.
template <AttentionScalar T, class Y>
void key_gradients(DeviceExecutor<CudaSystem> const& exec, AttentionGradientInputs<T> const& from, Index first_key, Index keys, RowsView<Y> dk, RowsView<Y> dv, bool accumulate) {
  if constexpr (!std::is_same_v<T, double>) {
    auto const runs = [&](auto const& tiles) { return run_attention_tiles(exec, "attention_backward", {from.in.batch, from.in.heads}, keys, tiles); };
    if (from.in.head_width <= 64 && runs(GradientTiles<T, Y, 64, 4, true>{from, first_key, keys, dk, dv, accumulate})) { return; }
    if (from.in.head_width <= 128 && runs(GradientTiles<T, Y, 128, 2, true>{from, first_key, keys, dk, dv, accumulate})) { return; }
  }
  for_each_index(exec, "attention_backward", dk.rows * from.in.heads, KeyGradient<T, Y>{from, first_key, keys, dk, dv, accumulate});
}

}  // namespace accrete::device
