#pragma once

// Needs nvcc. Threads of a block share keys and values through its own memory, which Thrust has no word for.

#include <accrete/device/attention.hpp>
#include <accrete/device/attention_tiles.cuh>
#include <accrete/device/cuda_attention_bfloat16.cuh>
#include <accrete/device/cuda_system.cuh>

#include <cuda_runtime.h>

#include <cmath>
#include <type_traits>

namespace accrete::device {

/// Attention of one tile of queries, for one sequence and head, in float: 256 threads as 16 x 16, each with `RowsEach` queries by
/// four keys of a tile of scores, and by every sixteenth group of four columns of the result. Tiles of keys come in ascending
/// order; how far a row has come it knows from its largest score and its sum so far, as in `AttentionQuery`.
/// A row's sums never leave its sixteen threads, so no other row changes them.
/// @tparam Columns  of a head, at most: 64 or 128
/// @source Dao, "FlashAttention-2", arXiv:2307.08691v1, Algorithm 1
template <class T, int Columns, int RowsEach>
struct FloatTiles {
  static constexpr int threads = 256;
  static constexpr int across = 16;  ///< threads that share a row
  static constexpr int rows = across * RowsEach;
  static constexpr int keys = 64;
  static constexpr int four = 4;
  static constexpr int groups = Columns / (across * four);
  // A column of queries or keys is followed by a gap, so that threads which turn a row into a column meet in fewer banks.
  static constexpr int query_stride = rows + four;
  static constexpr int key_stride = keys + four;
  static constexpr int key_floats = Columns * key_stride;  ///< values take their place afterwards, and need less
  static constexpr int shared_floats = Columns * query_stride + key_floats + keys * query_stride;

  AttentionInputs<T> in;
  RowsView<T> y;
  float* log_sums;

  __device__ void operator()(AttentionTile const& tile, float* shared) const {
    float* const queries = shared;                             // [column][row]
    float* const key_tile = queries + Columns * query_stride;  // [column][key], then values as [key][column]
    float* const weights = key_tile + key_floats;              // [key][row]
    int const column_of_thread = static_cast<int>(threadIdx.x) % across;
    int const row_of_thread = static_cast<int>(threadIdx.x) / across * RowsEach;
    auto const head_width = static_cast<int>(in.head_width);
    Index const first_column = tile.head * head_width;
    float const scale = 1.0F / sqrtf(static_cast<float>(head_width));
    Index const key_count = in.keys();

    for (int e = static_cast<int>(threadIdx.x); e < rows * Columns; e += threads) {
      int const row = e / Columns;
      int const column = e % Columns;
      Index const query = tile.first_row + row;
      bool const there = query < in.queries && column < head_width;
      queries[column * query_stride + row] = there ? converted<float>(in.q.data[(tile.sequence * in.queries + query) * in.q.stride + first_column + column]) : 0.0F;
    }

    float largest[RowsEach];
    float total[RowsEach];
    float sum[RowsEach][groups * four] = {};
    for (int i = 0; i < RowsEach; ++i) {
      largest[i] = -HUGE_VALF;
      total[i] = 0.0F;
    }
    for (Index first_key = 0; first_key < key_count; first_key += keys) {
      int const present = key_count - first_key < keys ? static_cast<int>(key_count - first_key) : keys;
      __syncthreads();  // the values of the tile before are done with
      for (int e = static_cast<int>(threadIdx.x); e < keys * Columns; e += threads) {
        int const key = e / Columns;
        int const column = e % Columns;
        bool const there = key < present && column < head_width;
        key_tile[column * key_stride + key] = there ? converted<float>(in.key(tile.sequence, first_key + key)[first_column + column]) : 0.0F;
      }
      __syncthreads();
      float score[RowsEach][four] = {};
      for (int column = 0; column < head_width; ++column) {
        float q[RowsEach];
        float k[four];
        take<RowsEach>(queries + column * query_stride + row_of_thread, q);
        take<four>(key_tile + column * key_stride + column_of_thread * four, k);
        for (int i = 0; i < RowsEach; ++i) {
          for (int j = 0; j < four; ++j) { score[i][j] += q[i] * k[j]; }
        }
      }
      for (int i = 0; i < RowsEach; ++i) {
        float next = largest[i];
        for (int j = 0; j < four; ++j) {
          score[i][j] = column_of_thread * four + j < present ? scale * score[i][j] : -HUGE_VALF;
          next = score[i][j] > next ? score[i][j] : next;
        }
        next = largest_of_lanes<across>(next);
        float const factor = expf(largest[i] - next);  // 0 the first time
        largest[i] = next;
        float part = 0.0F;
        for (int j = 0; j < four; ++j) {
          float const weight = expf(score[i][j] - next);
          part += weight;
          weights[(column_of_thread * four + j) * query_stride + row_of_thread + i] = weight;
        }
        total[i] = total[i] * factor + sum_of_lanes<across>(part);
        for (int c = 0; c < groups * four; ++c) { sum[i][c] *= factor; }
      }
      __syncthreads();  // the keys are done with
      for (int e = static_cast<int>(threadIdx.x); e < keys * Columns; e += threads) {
        int const key = e / Columns;
        int const column = e % Columns;
        bool const there = key < present && column < head_width;
        key_tile[e] = there ? converted<float>(in.value(tile.sequence, first_key + key)[first_column + column]) : 0.0F;
      }
      __syncthreads();
      for (int key = 0; key < present; ++key) {
        float weight[RowsEach];
        take<RowsEach>(weights + key * query_stride + row_of_thread, weight);
        for (int group = 0; group < groups; ++group) {
          float value[four];
          take<four>(key_tile + key * Columns + (group * across + column_of_thread) * four, value);
          for (int i = 0; i < RowsEach; ++i) {
            for (int j = 0; j < four; ++j) { sum[i][group * four + j] += weight[i] * value[j]; }
          }
        }
      }
    }

    for (int i = 0; i < RowsEach; ++i) {
      Index const query = tile.first_row + row_of_thread + i;
      if (query >= in.queries) { continue; }
      Index const row = tile.sequence * in.queries + query;
      for (int c = 0; c < groups * four; ++c) {
        int const column = (c / four * across + column_of_thread) * four + c % four;
        if (column < head_width) { y.data[row * y.stride + first_column + column] = converted<T>(sum[i][c] / total[i]); }
      }
      if (log_sums != nullptr && column_of_thread == 0) { log_sums[row * in.heads + tile.head] = largest[i] + logf(total[i]); }
    }
  }
};

/// float and bfloat16 heads of up to 128 columns go through tiles, bfloat16 on the matrix units where the code was compiled for
/// such; wider heads and double have one thread a query.
template <AttentionScalar T>
void attend_queries(DeviceExecutor<CudaSystem> const& exec, AttentionInputs<T> const& in, RowsView<T> y, SumScalar<T>* log_sums) {
  kernels::AttentionShape const shape{in.batch, in.heads};
  auto const runs = [&](auto const& tiles) { return run_attention_tiles(exec, "attention", shape, in.queries, tiles); };
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (in.head_width <= 64 && runs(MatrixUnitTiles<64>(in, y, log_sums))) { return; }
    if (in.head_width <= 128 && runs(MatrixUnitTiles<128>(in, y, log_sums))) { return; }
  }
  if constexpr (!std::is_same_v<T, double>) {
    if (in.head_width <= 64 && runs(FloatTiles<T, 64, 4>{in, y, log_sums})) { return; }
    if (in.head_width <= 128 && runs(FloatTiles<T, 128, 2>{in, y, log_sums})) { return; }
  }
  for_each_index(exec, "attention", in.q.rows * in.heads, AttentionQuery<T>{in, y, log_sums});
}

}  // namespace accrete::device
