#pragma once

// Needs nvcc. The matrix units of a GPU multiply tiles held by a whole warp; neither Thrust nor C++ has a word for them.

#include <accrete/config.hpp>
#include <accrete/core/bfloat16.hpp>
#include <accrete/device/attention.hpp>
#include <accrete/device/attention_tiles.cuh>
#include <accrete/device/warp.cuh>

#include <cmath>
#include <cstdint>

namespace accrete::device {

/// Two neighbouring scalars of a row; the first in the lower half, as the matrix units read them.
[[nodiscard]] __device__ inline std::uint32_t bfloat16_pair_of(bfloat16 first, bfloat16 second) { return static_cast<std::uint32_t>(second.bits) << 16U | first.bits; }

/// A warp's registers for products of 16 x 16 by 16 x 8 bfloat16 with float sums. Lane l holds, of the sums, rows l / 4 and
/// l / 4 + 8 at columns 2 (l % 4) and the next; of the left factor the same rows, at those columns and eight further on.
/// @source PTX ISA 9.0, "Matrix Fragments for mma.m16n8k16 with floating point type"
namespace matrix_units {

struct Left {
  std::uint32_t part[4];
};
struct Sums {
  float value[4];
};

/// sums += left * right
__device__ inline void multiply(Sums& sums, Left const& left, std::uint32_t right0, std::uint32_t right1) {
#if ACCRETE_WITH_DEVICE_BFLOAT16
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(sums.value[0]), "+f"(sums.value[1]), "+f"(sums.value[2]), "+f"(sums.value[3])
               : "r"(left.part[0]), "r"(left.part[1]), "r"(left.part[2]), "r"(left.part[3]), "r"(right0), "r"(right1));
#endif
}

/// Four 8 x 8 tiles out of shared memory; lane l gives the address of row l % 8 of tile l / 8 and gets row l / 4, columns 2 (l % 4) and the next, of each.
__device__ inline void load(std::uint32_t (&to)[4], bfloat16 const* row) {
#if ACCRETE_WITH_DEVICE_BFLOAT16
  auto const address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address) : "memory");
#endif
}

/// The same, each tile turned over its diagonal.
__device__ inline void load_turned(std::uint32_t (&to)[4], bfloat16 const* row) {
#if ACCRETE_WITH_DEVICE_BFLOAT16
  auto const address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address) : "memory");
#endif
}

/// Both rounded to nearest even.
[[nodiscard]] __device__ inline std::uint32_t rounded_pair(float first, float second) {
  std::uint32_t pair = 0;
#if ACCRETE_WITH_DEVICE_BFLOAT16
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
#endif
  return pair;
}

}  // namespace matrix_units

/// Attention of one tile of 64 queries, for one sequence and head, on the matrix units: four warps with 16 queries each, tiles of
/// 64 keys in ascending order. Scores, sums and the softmax are float; its weights are rounded to bfloat16 for the second product.
/// A row is multiplied as if it stood alone, so the other rows of its tile do not change it.
/// @tparam Columns  of a head, at most: 64 or 128
/// @source Dao, "FlashAttention-2", arXiv:2307.08691v1, Algorithm 1
template <int Columns>
struct MatrixUnitTiles {
  static constexpr int least_architecture = 80;
  static constexpr int threads = 128;
  static constexpr int rows_of_warp = 16;
  static constexpr int rows = threads / warp_lanes * rows_of_warp;
  static constexpr int keys = 64;
  static constexpr int at_once = 8;                 ///< scalars in 16 bytes
  static constexpr int stride = Columns + at_once;  ///< so that eight rows of a tile lie in different banks
  static constexpr int shared_floats = 2 * keys * stride * static_cast<int>(sizeof(bfloat16)) / static_cast<int>(sizeof(float));
  static constexpr int key_tiles = keys / 8;
  static constexpr int column_tiles = Columns / 8;

  AttentionInputs<bfloat16> in;
  RowsView<bfloat16> y;
  float* log_sums;
  bool wide_reads;  ///< keys and values may be read 16 bytes at once

  MatrixUnitTiles(AttentionInputs<bfloat16> const& inputs, RowsView<bfloat16> to, float* sums) : in(inputs), y(to), log_sums(sums) {
    auto const aligned = [](bfloat16 const* data, Index row_stride) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && row_stride % at_once == 0; };
    wide_reads = in.head_width % at_once == 0 && aligned(in.k.data, in.k.stride) && aligned(in.v.data, in.v.stride) &&
                 (in.prefix_length == 0 || (aligned(in.prefix_k, in.k.width) && aligned(in.prefix_v, in.v.width)));
  }

  __device__ void operator()(AttentionTile const& tile, float* shared) const {
    auto* const key_tile = reinterpret_cast<bfloat16*>(shared);  // [key][column]
    bfloat16* const value_tile = key_tile + keys * stride;       // [key][column]
    int const lane = static_cast<int>(threadIdx.x) % warp_lanes;
    int const first_row = static_cast<int>(threadIdx.x) / warp_lanes * rows_of_warp + lane / 4;  // and the one eight below
    Index const key_count = in.keys();
    float const scale = 1.0F / sqrtf(static_cast<float>(in.head_width));
    matrix_units::Left query[Columns / 16];
    load_queries(tile, first_row, lane, query);

    float largest[2] = {-HUGE_VALF, -HUGE_VALF};
    float total[2] = {0.0F, 0.0F};  // of this lane's columns
    matrix_units::Sums sum[column_tiles] = {};
    for (Index first_key = 0; first_key < key_count; first_key += keys) {
      int const present = key_count - first_key < keys ? static_cast<int>(key_count - first_key) : keys;
      __syncthreads();  // the tile before is done with
      load_rows(tile, first_key, present, key_tile, value_tile);
      __syncthreads();
      matrix_units::Sums score[key_tiles] = {};
      multiply_keys(query, key_tile, lane, score);
#pragma unroll
      for (int half = 0; half < 2; ++half) { weigh(score, half, lane, present, scale, largest[half], total[half], sum); }
      add_values(score, value_tile, lane, sum);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) { store(tile, first_row + half * 8, half, lane, largest[half], sum_of_lanes<4>(total[half]), sum); }
  }

 private:
  /// The left factors of the scores; zeros for rows and columns that are not there.
  __device__ void load_queries(AttentionTile const& tile, int first_row, int lane, matrix_units::Left (&query)[Columns / 16]) const {
    Index const first_column = tile.head * in.head_width;
    auto const element = [&](int row, int column) {
      Index const place = tile.first_row + row;
      return place < in.queries && column < in.head_width ? in.q.data[(tile.sequence * in.queries + place) * in.q.stride + first_column + column] : bfloat16{0};
    };
#pragma unroll
    for (int step = 0; step < Columns / 16; ++step) {
#pragma unroll
      for (int part = 0; part < 4; ++part) {
        int const row = first_row + part % 2 * 8;
        int const column = step * 16 + part / 2 * 8 + lane % 4 * 2;
        query[step].part[part] = bfloat16_pair_of(element(row, column), element(row, column + 1));
      }
    }
  }

  /// One tile of keys and values into the block's memory; zeros for what is not there, since a weight of zero keeps a NaN.
  __device__ void load_rows(AttentionTile const& tile, Index first_key, int present, bfloat16* key_tile, bfloat16* value_tile) const {
    Index const first_column = tile.head * in.head_width;
    auto const head_width = static_cast<int>(in.head_width);
    if (wide_reads) {
      for (int e = static_cast<int>(threadIdx.x); e < keys * column_tiles; e += threads) {
        int const key = e / column_tiles;
        int const column = e % column_tiles * at_once;
        bool const there = key < present && column < head_width;
        uint4 const nothing{0, 0, 0, 0};
        *reinterpret_cast<uint4*>(key_tile + key * stride + column) = there ? *reinterpret_cast<uint4 const*>(in.key(tile.sequence, first_key + key) + first_column + column) : nothing;
        *reinterpret_cast<uint4*>(value_tile + key * stride + column) = there ? *reinterpret_cast<uint4 const*>(in.value(tile.sequence, first_key + key) + first_column + column) : nothing;
      }
    } else {
      for (int e = static_cast<int>(threadIdx.x); e < keys * Columns; e += threads) {
        int const key = e / Columns;
        int const column = e % Columns;
        bool const there = key < present && column < head_width;
        key_tile[key * stride + column] = there ? in.key(tile.sequence, first_key + key)[first_column + column] : bfloat16{0};
        value_tile[key * stride + column] = there ? in.value(tile.sequence, first_key + key)[first_column + column] : bfloat16{0};
      }
    }
  }

  __device__ static void multiply_keys(matrix_units::Left const (&query)[Columns / 16], bfloat16 const* key_tile, int lane, matrix_units::Sums (&score)[key_tiles]) {
    // Of four tiles: the first two are keys [8 t, 8 t + 8) at eight columns and the eight after, the others the next eight keys.
    bfloat16 const* const row = key_tile + (lane / 16 * 8 + lane % 8) * stride + lane / 8 % 2 * 8;
#pragma unroll
    for (int step = 0; step < Columns / 16; ++step) {
#pragma unroll
      for (int t = 0; t < key_tiles; t += 2) {
        std::uint32_t key[4];
        matrix_units::load(key, row + t * 8 * stride + step * 16);
        matrix_units::multiply(score[t], query[step], key[0], key[1]);
        matrix_units::multiply(score[t + 1], query[step], key[2], key[3]);
      }
    }
  }

  /// Scores of one of a lane's two rows become weights; what was summed with smaller scores in mind is scaled down.
  __device__ static void weigh(matrix_units::Sums (&score)[key_tiles], int half, int lane, int present, float scale, float& largest, float& total, matrix_units::Sums (&sum)[column_tiles]) {
    float next = largest;
#pragma unroll
    for (int t = 0; t < key_tiles; ++t) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        float& one = score[t].value[half * 2 + j];
        one = t * 8 + lane % 4 * 2 + j < present ? scale * one : -HUGE_VALF;
        next = one > next ? one : next;
      }
    }
    next = largest_of_lanes<4>(next);
    float const factor = expf(largest - next);  // 0 the first time
    largest = next;
    total *= factor;
#pragma unroll
    for (int t = 0; t < key_tiles; ++t) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        float& one = score[t].value[half * 2 + j];
        one = expf(one - next);
        total += one;
      }
    }
#pragma unroll
    for (int t = 0; t < column_tiles; ++t) {
#pragma unroll
      for (int j = 0; j < 2; ++j) { sum[t].value[half * 2 + j] *= factor; }
    }
  }

  __device__ static void add_values(matrix_units::Sums const (&score)[key_tiles], bfloat16 const* value_tile, int lane, matrix_units::Sums (&sum)[column_tiles]) {
    // Of four tiles: the first two are sixteen keys at columns [8 t, 8 t + 8), the others the same keys at the next eight columns.
    bfloat16 const* const row = value_tile + (lane / 8 % 2 * 8 + lane % 8) * stride + lane / 16 * 8;
#pragma unroll
    for (int step = 0; step < keys / 16; ++step) {
      auto const& low = score[2 * step].value;  // sums of two neighbouring tiles lie as the left factor of the next product wants them
      auto const& high = score[2 * step + 1].value;
      matrix_units::Left const weight{
          {matrix_units::rounded_pair(low[0], low[1]), matrix_units::rounded_pair(low[2], low[3]), matrix_units::rounded_pair(high[0], high[1]), matrix_units::rounded_pair(high[2], high[3])}};
#pragma unroll
      for (int t = 0; t < column_tiles; t += 2) {
        std::uint32_t value[4];
        matrix_units::load_turned(value, row + step * 16 * stride + t * 8);
        matrix_units::multiply(sum[t], weight, value[0], value[1]);
        matrix_units::multiply(sum[t + 1], weight, value[2], value[3]);
      }
    }
  }

  __device__ void store(AttentionTile const& tile, int row_of_tile, int half, int lane, float largest, float total, matrix_units::Sums const (&sum)[column_tiles]) const {
    Index const query = tile.first_row + row_of_tile;
    if (query >= in.queries) { return; }
    Index const row = tile.sequence * in.queries + query;
    bfloat16* const to = y.data + row * y.stride + tile.head * in.head_width;
#pragma unroll
    for (int t = 0; t < column_tiles; ++t) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        int const column = t * 8 + lane % 4 * 2 + j;
        if (column < in.head_width) { to[column] = to_bfloat16(sum[t].value[half * 2 + j] / total); }
      }
    }
    if (log_sums != nullptr && lane % 4 == 0) { log_sums[row * in.heads + tile.head] = largest + logf(total); }
  }
};

}  // namespace accrete::device
