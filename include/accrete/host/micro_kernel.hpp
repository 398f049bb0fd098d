#pragma once

#include <accrete/config.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/simd.hpp>

#include <algorithm>
#include <cstddef>

namespace accrete::host::micro {

/// Rows of a register block. With three vectors across, the sums fill three quarters of the registers; the rest holds the operands.
inline constexpr Index block_rows = ACCRETE_VECTOR_BYTES == 64 ? 8 : 4;
inline constexpr int block_vectors = 3;

/// A matrix as the block kernel reads it one scalar at a time: element (k, i) lies at data[k * depth_stride + i * Step].
/// `Step` is known to the compiler, so the addresses of a block's rows are constants.
template <class T, Index Step>
struct Scalars {
  T const* data = nullptr;
  Index depth_stride = 0;
};

/// A matrix as the block kernel reads it one vector at a time: element (k, j) lies at data[k * depth_stride + j].
template <class T>
struct Vectors {
  T const* data = nullptr;
  Index depth_stride = 0;
};

/// c(i, j) += sign * sum_k a(k, i) b(k, j) for one block of `block_rows` rows and `Across` vectors.
/// The sum runs over k in ascending order in registers and meets c once, so a result depends on nothing but its own operands.
/// @param[in,out] c  row-major, `c_stride` elements from row to row
template <int Across, class T, Index Step>
inline void multiply_block(Index depth, T sign, Scalars<T, Step> a, Vectors<T> b, T* c, Index c_stride) {
  using Vec = simd::Vec<T>;
  constexpr Index lanes = simd::lanes<T>;
  Vec sum[static_cast<std::size_t>(block_rows)][static_cast<std::size_t>(Across)] = {};
  T const* scalar = a.data;
  T const* vector = b.data;
  for (Index k = 0; k < depth; ++k) {
    Vec across[static_cast<std::size_t>(Across)];
    ACCRETE_UNROLL
    for (int v = 0; v < Across; ++v) { across[v] = simd::load(vector + v * lanes); }
    ACCRETE_UNROLL
    for (Index i = 0; i < block_rows; ++i) {
      Vec const down = simd::broadcast(scalar[i * Step]);
      ACCRETE_UNROLL
      for (int v = 0; v < Across; ++v) { sum[i][v] = simd::multiply_add(down, across[v], sum[i][v]); }
    }
    scalar += a.depth_stride;
    vector += b.depth_stride;
  }
  Vec const factor = simd::broadcast(sign);
  ACCRETE_UNROLL
  for (Index i = 0; i < block_rows; ++i) {
    ACCRETE_UNROLL
    for (int v = 0; v < Across; ++v) {
      T* const place = c + i * c_stride + v * lanes;
      simd::store(place, simd::multiply_add(factor, sum[i][v], simd::load(place)));
    }
  }
}

/// The same for any numbers of blocks: rows a multiple of `block_rows`, columns a multiple of the vector's lanes.
/// The vectors of one strip of columns are read again for every block of rows and stay in the second-level cache.
template <class T, Index Step>
inline void multiply(Index rows, Index columns, Index depth, T sign, Scalars<T, Step> a, Vectors<T> b, T* c, Index c_stride) {
  constexpr Index lanes = simd::lanes<T>;
  constexpr Index strip = block_vectors * lanes;
  ACCRETE_ASSERT(rows % block_rows == 0 && columns % lanes == 0);
  for (Index j = 0; j < columns; j += strip) {
    Vectors<T> const across{b.data + j, b.depth_stride};
    for (Index i = 0; i < rows; i += block_rows) {
      Scalars<T, Step> const down{a.data + i * Step, a.depth_stride};
      T* const block = c + i * c_stride + j;
      switch (std::min<Index>(block_vectors, (columns - j) / lanes)) {
        case 1: multiply_block<1>(depth, sign, down, across, block, c_stride); break;
        case 2: multiply_block<2>(depth, sign, down, across, block, c_stride); break;
        default: multiply_block<3>(depth, sign, down, across, block, c_stride);
      }
    }
  }
}

}  // namespace accrete::host::micro
