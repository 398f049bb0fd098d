#pragma once

#include <accrete/config.hpp>
#include <accrete/core/error.hpp>
#include <accrete/core/memory.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace accrete {

/// Counts and positions. Signed, so that differences are safe.
using Index = std::int64_t;

template <int Rank>
using Shape = std::array<Index, static_cast<std::size_t>(Rank)>;

/// Number of elements of a shape.
/// @throws ShapeError  when an extent is negative or the product does not fit 63 bits
template <std::size_t Rank>
[[nodiscard]] constexpr Index element_count(std::array<Index, Rank> const& shape) {
  Index count = 1;
  for (Index const extent : shape) {
    expects(extent >= 0, "element_count", "an extent must not be negative", extent);
    expects(extent == 0 || count <= std::numeric_limits<Index>::max() / extent, "element_count", "the product of the extents must fit 63 bits", count, extent);
    count *= extent;
  }
  return count;
}

/// Pointer and extents of a dense row-major array. Knows neither who owns the memory nor where it lies.
template <class T, int Rank>
class TensorView {
 public:
  using value_type = std::remove_const_t<T>;
  static constexpr int rank = Rank;

  constexpr TensorView() = default;
  constexpr TensorView(T* data, Shape<Rank> shape) : data_(data), shape_(shape) {}

  /// A view that may write converts to one that may only read.
  template <class U>
    requires(std::is_same_v<U const, T> && !std::is_same_v<U, T>)
  constexpr TensorView(TensorView<U, Rank> const& other) : data_(other.data()), shape_(other.shape()) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] constexpr T* data() const { return data_; }
  [[nodiscard]] constexpr Shape<Rank> const& shape() const { return shape_; }
  [[nodiscard]] constexpr Index extent(int axis) const { return shape_[static_cast<std::size_t>(axis)]; }
  [[nodiscard]] constexpr Index size() const {
    Index count = 1;
    for (Index const extent : shape_) { count *= extent; }
    return count;
  }
  [[nodiscard]] constexpr bool empty() const { return size() == 0; }
  [[nodiscard]] constexpr T* begin() const { return data_; }
  [[nodiscard]] constexpr T* end() const { return data_ + size(); }

  /// Element at the given position, one index per axis.
  template <class... Position>
  [[nodiscard]] constexpr T& operator()(Position... position) const {
    static_assert(sizeof...(Position) == Rank, "one index per axis");
    Index offset = 0;
    std::size_t axis = 0;
    ((offset = offset * shape_[axis++] + static_cast<Index>(position)), ...);
    ACCRETE_ASSERT(offset >= 0 && offset < size());
    return data_[offset];
  }

  /// Rank 1: the element. Otherwise: the view one axis shorter.
  [[nodiscard]] constexpr decltype(auto) operator[](Index i) const {
    ACCRETE_ASSERT(i >= 0 && i < shape_[0]);
    if constexpr (Rank == 1) {
      return (data_[i]);
    } else {
      Shape<Rank - 1> inner{};
      std::copy(shape_.begin() + 1, shape_.end(), inner.begin());
      TensorView<T, Rank - 1> part(nullptr, inner);
      return TensorView<T, Rank - 1>(data_ + i * part.size(), inner);
    }
  }

  /// `count` entries of the first axis from `first` on.
  /// @throws ShapeError  when the range leaves the view
  [[nodiscard]] constexpr TensorView slice(Index first, Index count) const {
    expects(first >= 0 && count >= 0 && first <= shape_[0] - count, "TensorView::slice", "the range must lie inside the first axis", first, count, shape_[0]);
    Shape<Rank> part = shape_;
    part[0] = count;
    Index const stride = shape_[0] == 0 ? 0 : size() / shape_[0];
    return {data_ + first * stride, part};
  }

  /// The same elements under other extents.
  /// @throws ShapeError  when the number of elements differs
  template <int NewRank>
  [[nodiscard]] constexpr TensorView<T, NewRank> reshaped(Shape<NewRank> shape) const {
    expects(element_count(shape) == size(), "TensorView::reshaped", "the number of elements must stay", size(), element_count(shape));
    return {data_, shape};
  }

 private:
  T* data_ = nullptr;
  Shape<Rank> shape_{};
};

template <class T>
using VectorView = TensorView<T, 1>;
template <class T>
using MatrixView = TensorView<T, 2>;

/// Keeps a parameter out of template deduction, so that owners and writable views convert to it.
template <class T>
using NonDeduced = std::type_identity_t<T>;

/// Rows of equal length at a constant distance: a column range of a matrix, such as the queries inside [q | k | v].
template <class T>
struct RowsView {
  T* data = nullptr;
  Index rows = 0;
  Index width = 0;
  Index stride = 0;  ///< elements between the starts of two rows

  constexpr RowsView() = default;
  constexpr RowsView(T* first, Index row_count, Index row_width, Index row_stride) : data(first), rows(row_count), width(row_width), stride(row_stride) {}

  template <class U>
    requires(std::is_same_v<U, T> || std::is_same_v<U const, T>)
  constexpr RowsView(MatrixView<U> const& matrix)  // NOLINT(google-explicit-constructor)
      : data(matrix.data()), rows(matrix.extent(0)), width(matrix.extent(1)), stride(matrix.extent(1)) {}

  template <class U>
    requires(std::is_same_v<U const, T> && !std::is_same_v<U, T>)
  constexpr RowsView(RowsView<U> const& other)  // NOLINT(google-explicit-constructor)
      : data(other.data), rows(other.rows), width(other.width), stride(other.stride) {}

  [[nodiscard]] constexpr T* row(Index i) const { return data + i * stride; }
};

/// Columns [first, first + width) of a matrix.
/// @throws ShapeError  when the range leaves the matrix
template <class T>
[[nodiscard]] constexpr RowsView<T> columns(MatrixView<T> matrix, Index first, Index width) {
  expects(first >= 0 && width >= 0 && first <= matrix.extent(1) - width, "columns", "the range must lie inside the matrix", first, width, matrix.extent(1));
  return {matrix.data() + first, matrix.extent(0), width, matrix.extent(1)};
}

/// Owner of a dense row-major array. Elements are trivial; memory comes from `Memory`.
template <class T, int Rank, class Memory = HostMemory>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>, "tensors hold plain scalars");

 public:
  using value_type = T;
  using memory_type = Memory;
  static constexpr int rank = Rank;

  Tensor() = default;

  /// Elements are left as the memory came. Use `zeros` where that matters.
  /// @throws ShapeError  for negative or overflowing extents; std::bad_alloc
  explicit Tensor(Shape<Rank> shape) : data_(allocate(element_count(shape))), shape_(shape) {}

  Tensor(Tensor const& other) requires(std::is_same_v<Memory, HostMemory>) : Tensor(other.shape_) { std::copy(other.begin(), other.end(), data_); }
  Tensor(Tensor&& other) noexcept : data_(std::exchange(other.data_, nullptr)), shape_(std::exchange(other.shape_, {})) {}
  Tensor& operator=(Tensor other) noexcept {
    std::swap(data_, other.data_);
    std::swap(shape_, other.shape_);
    return *this;
  }
  ~Tensor() {
    if (data_ != nullptr) { Memory::release(data_, bytes(size())); }
  }

  /// Host memory only: every element zero.
  [[nodiscard]] static Tensor zeros(Shape<Rank> shape) requires(std::is_same_v<Memory, HostMemory>) {
    Tensor tensor(shape);
    std::fill(tensor.begin(), tensor.end(), T{});
    return tensor;
  }

  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] T const* data() const { return data_; }
  [[nodiscard]] Shape<Rank> const& shape() const { return shape_; }
  [[nodiscard]] Index extent(int axis) const { return shape_[static_cast<std::size_t>(axis)]; }
  [[nodiscard]] Index size() const { return cview().size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] T* begin() { return data_; }
  [[nodiscard]] T* end() { return data_ + size(); }
  [[nodiscard]] T const* begin() const { return data_; }
  [[nodiscard]] T const* end() const { return data_ + size(); }

  [[nodiscard]] TensorView<T, Rank> view() { return {data_, shape_}; }
  [[nodiscard]] TensorView<T const, Rank> view() const { return {data_, shape_}; }
  [[nodiscard]] TensorView<T const, Rank> cview() const { return {data_, shape_}; }
  operator TensorView<T, Rank>() { return view(); }               // NOLINT(google-explicit-constructor)
  operator TensorView<T const, Rank>() const { return cview(); }  // NOLINT(google-explicit-constructor)

  template <class... Position>
  [[nodiscard]] T& operator()(Position... position) {
    return view()(position...);
  }
  template <class... Position>
  [[nodiscard]] T const& operator()(Position... position) const {
    return cview()(position...);
  }
  [[nodiscard]] decltype(auto) operator[](Index i) { return view()[i]; }
  [[nodiscard]] decltype(auto) operator[](Index i) const { return cview()[i]; }

 private:
  static std::size_t bytes(Index count) { return static_cast<std::size_t>(count) * sizeof(T); }
  static T* allocate(Index count) { return count == 0 ? nullptr : static_cast<T*>(Memory::allocate(bytes(count))); }

  T* data_ = nullptr;
  Shape<Rank> shape_{};
};

template <class T, class Memory = HostMemory>
using Vector = Tensor<T, 1, Memory>;
template <class T, class Memory = HostMemory>
using Matrix = Tensor<T, 2, Memory>;

}  // namespace accrete
