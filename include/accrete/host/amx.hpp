#pragma once

#include <accrete/config.hpp>
#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/bfloat16_pair.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

#if ACCRETE_WITH_AMX
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/// Tile registers of x86 (AMX): eight matrices of 1 KiB, and an instruction that multiplies two of bfloat16 and adds the product to one of floats.
namespace accrete::host::amx {

/// A left tile holds 16 rows of 16 pairs of bfloat16, a right one 16 pairs for 16 columns, a tile of sums 16 x 16 floats.
inline constexpr Index tile_rows = 16;
inline constexpr Index tile_pairs = 16;
inline constexpr Index tile_columns = 16;
inline constexpr Index tile_size = tile_pairs * tile_columns;  ///< pairs of a left or a right one
/// A block is two left tiles below each other by two right ones beside each other: four tiles of sums.
inline constexpr Index block_rows = 2 * tile_rows;
inline constexpr Index block_columns = 2 * tile_columns;

/// Whether this process may use them: it is compiled for them, and the system has lent them (asked once).
[[nodiscard]] inline bool available() {
#if ACCRETE_WITH_AMX
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long tile_data = 18;               // the state that a thread then has to save
  static bool const lent = ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  return lent;
#else
  return false;
#endif
}

/// For its lifetime, the tile registers of this thread have the shapes that `multiply_block` needs. Not to be nested.
class TileScope {
 public:
#if ACCRETE_WITH_AMX
  TileScope() { _tile_loadconfig(&configuration); }
  ~TileScope() { _tile_release(); }
#else
  TileScope() = default;
  ~TileScope() = default;
#endif
  TileScope(TileScope const&) = delete;
  TileScope& operator=(TileScope const&) = delete;

#if ACCRETE_WITH_AMX
 private:
  struct alignas(64) Configuration {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::array<std::uint8_t, 14> reserved{};
    std::array<std::uint16_t, 16> row_bytes{};
    std::array<std::uint8_t, 16> rows{};

    constexpr Configuration() {
      for (std::size_t tile = 0; tile < 8; ++tile) {
        row_bytes[tile] = tile_pairs * sizeof(bfloat16_pair);
        rows[tile] = tile_rows;
      }
    }
  };
  static Configuration const configuration;  // of a local one compilers may leave out what they do not see being read
#endif
};
#if ACCRETE_WITH_AMX
inline constexpr TileScope::Configuration TileScope::configuration{};
#endif

/// What one block multiplies: y = a b, or y += a b, over `steps` times 16 pairs. All distances are in elements.
struct BlockOperands {
  bfloat16_pair const* a;  ///< 16 or 32 rows
  Index a_stride;          ///< from row to row
  Index a_step;            ///< from 16 pairs of a row to the next 16
  bfloat16_pair const* b;  ///< for 16 pairs and 16 columns, one row a pair
  Index b_stride;          ///< from pair to pair
  Index b_step;            ///< from 16 pairs to the next 16
  Index b_right;           ///< from 16 columns to the next 16
  Index steps;
  float* y;  ///< [16 or 32, 32]
  Index y_stride;
};

/// Operands that are packed for this: a [steps, 2, 16, 16], for every step two left tiles, and b [steps, 2, 16, 16], for every step two right ones.
[[nodiscard]] inline BlockOperands packed_operands(bfloat16_pair const* a, bfloat16_pair const* b, Index steps, float* y, Index y_stride) {
  return {.a = a, .a_stride = tile_pairs, .a_step = 2 * tile_size, .b = b, .b_stride = tile_columns, .b_step = 2 * tile_size, .b_right = tile_size, .steps = steps, .y = y, .y_stride = y_stride};
}

/// Every element is one chain over the steps, in order, begun with what is in y to be added to.
/// Needs a `TileScope` where compiled for tile registers; elsewhere a plain loop of the same meaning.
/// @tparam LeftTiles  1 for 16 rows, 2 for 32
template <int LeftTiles>
inline void multiply_block(BlockOperands const& o, bool add) {
  static_assert(LeftTiles == 1 || LeftTiles == 2);
#if ACCRETE_WITH_AMX
  constexpr auto pair_bytes = static_cast<Index>(sizeof(bfloat16_pair));
  auto const y_bytes = o.y_stride * static_cast<Index>(sizeof(float));
  auto const a_bytes = o.a_stride * pair_bytes;
  auto const b_bytes = o.b_stride * pair_bytes;
  float* const below = o.y + tile_rows * o.y_stride;
  asm volatile("" ::: "memory");  // compilers do not see that loads of tiles read memory
  if (add) {
    _tile_loadd(0, o.y, y_bytes);
    _tile_loadd(1, o.y + tile_columns, y_bytes);
    if constexpr (LeftTiles == 2) {
      _tile_loadd(2, below, y_bytes);
      _tile_loadd(3, below + tile_columns, y_bytes);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  bfloat16_pair const* a = o.a;
  bfloat16_pair const* b = o.b;
  for (Index step = 0; step < o.steps; ++step, a += o.a_step, b += o.b_step) {
    _tile_loadd(4, a, a_bytes);
    _tile_loadd(6, b, b_bytes);
    _tile_loadd(7, b + o.b_right, b_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (LeftTiles == 2) {
      _tile_loadd(5, a + tile_rows * o.a_stride, a_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, o.y, y_bytes);
  _tile_stored(1, o.y + tile_columns, y_bytes);
  if constexpr (LeftTiles == 2) {
    _tile_stored(2, below, y_bytes);
    _tile_stored(3, below + tile_columns, y_bytes);
  }
#else
  auto const half = [](bfloat16_pair pair, std::uint32_t shift) { return to_float(bfloat16{static_cast<std::uint16_t>(pair.bits >> shift)}); };
  for (Index i = 0; i < LeftTiles * tile_rows; ++i) {
    for (Index j = 0; j < block_columns; ++j) {
      float* const place = o.y + i * o.y_stride + j;
      float sum = add ? *place : 0.0F;
      for (Index k = 0; k < o.steps * tile_pairs; ++k) {
        bfloat16_pair const left = o.a[i * o.a_stride + k / tile_pairs * o.a_step + k % tile_pairs];
        bfloat16_pair const right = o.b[k % tile_pairs * o.b_stride + k / tile_pairs * o.b_step + j / tile_columns * o.b_right + j % tile_columns];
        sum += half(left, 0) * half(right, 0) + half(left, 16) * half(right, 16);
      }
      *place = sum;
    }
  }
#endif
}

/// The same for `rows` rows, 1 to 32; those of y up to the next multiple of 16 are overwritten.
inline void multiply_rows(Index rows, BlockOperands const& operands, bool add) {
  if (rows > tile_rows) {
    multiply_block<2>(operands, add);
  } else {
    multiply_block<1>(operands, add);
  }
}

}  // namespace accrete::host::amx
