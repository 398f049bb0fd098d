#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/host/simd.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace accrete::host {

/// Which index of a matrix a product sums over; the other one is free.
enum class Sum { over_rows, over_columns };

namespace detail {
/// As many doubles as a vector of the scalar has lanes.
template <class Scalar>
struct Doubles;
template <>
struct Doubles<float> {
  typedef double type __attribute__((vector_size(2 * ACCRETE_VECTOR_BYTES)));
};
template <>
struct Doubles<double> {
  typedef double type __attribute__((vector_size(ACCRETE_VECTOR_BYTES)));
};
}  // namespace detail

/// A matrix copied into double panels for the block kernel: element (k, free) lies in panel free / 48 at [k][free % 48].
/// Free indices beyond the matrix are zero.
class Panels {
 public:
  static constexpr Index width = TriangleTiles::panel;

  /// @param[in] multiple  the number of panels becomes a multiple of this one
  /// @throws std::bad_alloc
  template <class From>
  Panels(int threads, Sum sum, RowsView<From const> from, Index multiple = 1)
      : depth_(sum == Sum::over_rows ? from.rows : from.width),
        real_(panel_count(sum == Sum::over_rows ? from.width : from.rows)),
        count_((real_ + multiple - 1) / multiple * multiple),
        data_({count_ * depth_ * width}) {
    share_out(threads, count_, [&](Index p) {
      if (sum == Sum::over_rows) {
        copy_columns(from, p);
      } else {
        copy_rows(from, p);
      }
    });
  }

  [[nodiscard]] Index depth() const { return depth_; }
  [[nodiscard]] Index count() const { return count_; }
  /// Panels that hold anything of the matrix; those behind are zero.
  [[nodiscard]] Index real() const { return real_; }
  /// Panel p from summation index k on.
  [[nodiscard]] double const* panel(Index p, Index k = 0) const { return data_.data() + (p * depth_ + k) * width; }

 private:
  static Index panel_count(Index free) { return (free + width - 1) / width; }

  template <class From>
  void copy_columns(RowsView<From const> from, Index p) {
    Index const first = p * width;
    Index const real = std::clamp<Index>(from.width - first, 0, width);
    double* to = data_.data() + p * depth_ * width;
    for (Index k = 0; k < depth_; ++k, to += width) {
      if (real > 0) { std::copy_n(from.row(k) + first, real, to); }
      std::fill(to + real, to + width, 0.0);
    }
  }

  /// Transposes square blocks in registers; what does not fill one goes element by element.
  template <class From>
  void copy_rows(RowsView<From const> from, Index p) {
    constexpr Index lanes = simd::lanes<From>;
    static_assert(width % lanes == 0);
    Index const first = p * width;
    Index const real = std::clamp<Index>(from.rows - first, 0, width);
    Index const whole = depth_ / lanes * lanes;
    double* const to = data_.data() + p * depth_ * width;
    for (Index r = 0; r < width; r += lanes) {
      bool const square = r + lanes <= real;
      for (Index k = 0; square && k < whole; k += lanes) { transpose_block(from.row(first + r) + k, from.stride, to + k * width + r); }
      for (Index i = r; i < r + lanes; ++i) {
        for (Index k = square ? whole : 0; k < depth_; ++k) { to[k * width + i] = i < real ? static_cast<double>(from.row(first + i)[k]) : 0.0; }
      }
    }
  }

  template <class From>
  static void transpose_block(From const* from, Index stride, double* to) {
    constexpr int lanes = simd::lanes<From>;
    using Wide = typename detail::Doubles<From>::type;
    simd::Vec<From> rows[static_cast<std::size_t>(lanes)];
    for (int i = 0; i < lanes; ++i) { rows[i] = simd::load(from + i * stride); }
    simd::transpose<From>(rows);
    for (int i = 0; i < lanes; ++i) {
      auto const wide = __builtin_convertvector(rows[i], Wide);
      std::memcpy(to + i * width, &wide, sizeof wide);
    }
  }

  Index depth_;
  Index real_;
  Index count_;
  Vector<double> data_;
};

}  // namespace accrete::host
