#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/host/micro_kernel.hpp>

namespace accrete::host {

/// The 48 x 48 blocks a tiled symmetric matrix consists of, and the products they take part in.
/// Block (p, q), q <= p, lies contiguously, column after column; blocks of one row of a tile follow each other.
template <class T>
class Blocks {
 public:
  static constexpr Index width = TriangleTiles::panel;
  static constexpr Index per_tile = TriangleTiles::edge / width;

  explicit Blocks(SymmetricView<T> matrix) : matrix_(matrix) {}

  /// Blocks that hold elements of the matrix, along one side.
  [[nodiscard]] Index count() const { return (matrix_.order() + width - 1) / width; }
  /// Blocks of the storage, along one side.
  [[nodiscard]] Index stored() const { return matrix_.layout().tiles() * per_tile; }
  [[nodiscard]] T* block(Index p, Index q) const { return matrix_.tile(p / per_tile, q / per_tile) + TriangleTiles::inside(p % per_tile * width, q % per_tile * width); }
  /// Block (p, q) of the matrix and the blocks to its right in the same tile, at most `limit`: how many columns lie together.
  [[nodiscard]] static Index run(Index q, Index limit) { return std::min(limit, per_tile - q % per_tile); }

 private:
  SymmetricView<T> matrix_;
};

/// y (+ or -)= A x for blocks A [48, depth] that lie together, x [depth, columns] and y [48, columns] row-major.
template <class T>
inline void multiply_panel(Index depth, Index columns, T sign, T const* a, T const* x, T* y, Index stride) {
  constexpr Index width = TriangleTiles::panel;
  micro::multiply<T, 1>(width, columns, depth, sign, {a, width}, {x, stride}, y, stride);
}

/// y (+ or -)= A^T x for one block A [48, 48].
template <class T>
inline void multiply_transposed(Index columns, T sign, T const* a, T const* x, T* y, Index stride) {
  constexpr Index width = TriangleTiles::panel;
  micro::multiply<T, width>(width, columns, width, sign, {a, 1}, {x, stride}, y, stride);
}

/// y (+ or -)= sum over the depth of x(r, k) z(c, k) for row blocks x and z [48, depth] that lie together; y is a block of the matrix.
template <class T>
inline void multiply_blocks(Index depth, T sign, T const* x, T const* z, T* y) {
  constexpr Index width = TriangleTiles::panel;
  micro::multiply<T, 1>(width, width, depth, sign, {z, width}, {x, width}, y, width);
}

}  // namespace accrete::host
