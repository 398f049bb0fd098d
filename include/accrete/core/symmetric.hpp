#pragma once

#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace accrete {

/// How a symmetric matrix lies in memory: the lower triangle in square tiles, tile row after tile row.
/// A tile is cut into panels of 48 rows; inside a panel the columns follow each other, each with its 48 rows together:
/// element (r, c) of a tile lies at (r / 48) * 48 * edge + c * 48 + r % 48.
/// Half the memory of a full matrix; a product kernel reads and writes panels as they are, without packing, for every vector width.
/// The last tile row and column are as wide as the others; what lies outside of the matrix stays zero.
struct TriangleTiles {
  static constexpr Index panel = 48;
  static constexpr Index edge = 4 * panel;
  static constexpr Index tile_size = edge * edge;

  Index order = 0;

  [[nodiscard]] constexpr Index tiles() const { return (order + edge - 1) / edge; }
  [[nodiscard]] constexpr Index size() const { return tiles() * (tiles() + 1) / 2 * tile_size; }
  /// Offset of tile (row, column), column <= row.
  [[nodiscard]] constexpr Index tile(Index row, Index column) const { return (row * (row + 1) / 2 + column) * tile_size; }
  /// Offset of element (row, column) inside a tile.
  [[nodiscard]] static constexpr Index inside(Index row, Index column) { return (row / panel) * panel * edge + column * panel + row % panel; }
  /// Offset of element (i, j) for either order of the two.
  [[nodiscard]] constexpr Index element(Index i, Index j) const {
    Index const row = std::max(i, j);
    Index const column = std::min(i, j);
    return tile(row / edge, column / edge) + inside(row % edge, column % edge);
  }
};

/// Pointer and order of a tiled symmetric matrix. Inside a diagonal tile both triangles may be written; only the lower one is read.
template <class T>
class SymmetricView {
 public:
  constexpr SymmetricView() = default;
  constexpr SymmetricView(T* data, Index order) : data_(data), layout_{order} {}
  template <class U>
    requires(std::is_same_v<U const, T> && !std::is_same_v<U, T>)
  constexpr SymmetricView(SymmetricView<U> const& other) : data_(other.data()), layout_(other.layout()) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] constexpr T* data() const { return data_; }
  [[nodiscard]] constexpr TriangleTiles const& layout() const { return layout_; }
  [[nodiscard]] constexpr Index order() const { return layout_.order; }
  [[nodiscard]] constexpr T* tile(Index row, Index column) const { return data_ + layout_.tile(row, column); }
  [[nodiscard]] constexpr T& operator()(Index i, Index j) const { return data_[layout_.element(i, j)]; }

 private:
  T* data_ = nullptr;
  TriangleTiles layout_;
};

/// Owner of a tiled symmetric matrix, zero at first.
template <class T>
class SymmetricMatrix {
 public:
  SymmetricMatrix() = default;
  /// @throws ShapeError  when `order` is negative; std::bad_alloc
  explicit SymmetricMatrix(Index order) : layout_{order} {
    expects(order >= 0, "SymmetricMatrix", "the order must not be negative", order);
    data_ = Vector<T>::zeros({layout_.size()});
  }

  /// Takes over tiles in memory order, as `storage` shows them.
  /// @throws ShapeError  when `order` is negative or `tiles` has not the size it needs
  SymmetricMatrix(Index order, Vector<T> tiles) : layout_{order}, data_(std::move(tiles)) {
    expects(order >= 0 && data_.size() == layout_.size(), "SymmetricMatrix", "the tiles must be those of the order", order, data_.size(), layout_.size());
  }

  [[nodiscard]] Index order() const { return layout_.order; }
  [[nodiscard]] SymmetricView<T> view() { return {data_.data(), layout_.order}; }
  [[nodiscard]] SymmetricView<T const> view() const { return {data_.data(), layout_.order}; }
  [[nodiscard]] T& operator()(Index i, Index j) { return data_.data()[layout_.element(i, j)]; }
  [[nodiscard]] T const& operator()(Index i, Index j) const { return data_.data()[layout_.element(i, j)]; }
  /// All tiles in memory order: what a sum, a copy or a file needs.
  [[nodiscard]] VectorView<T> storage() { return data_.view(); }
  [[nodiscard]] VectorView<T const> storage() const { return data_.view(); }

 private:
  TriangleTiles layout_;
  Vector<T> data_;
};

}  // namespace accrete
