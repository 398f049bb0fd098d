#pragma once

#include <accrete/core/tensor.hpp>

#include <Eigen/Core>

#include <type_traits>

namespace accrete::host {

/// Eigen is column-major unless told otherwise; everything here is row-major.
template <class T>
using RowMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

namespace detail {
template <class T, class Plain>
using Constness = std::conditional_t<std::is_const_v<T>, Plain const, Plain>;
}

template <class T>
using EigenVector = Eigen::Map<detail::Constness<T, Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, 1>>>;
template <class T>
using EigenMatrix = Eigen::Map<detail::Constness<T, RowMatrix<std::remove_const_t<T>>>>;
template <class T>
using EigenRows = Eigen::Map<detail::Constness<T, RowMatrix<std::remove_const_t<T>>>, 0, Eigen::OuterStride<>>;

/// The same memory as a column vector of Eigen. Valid as long as the memory is.
/// @param[in] x [n];  @returns [n]
template <class T>
[[nodiscard]] EigenVector<T> as_eigen(VectorView<T> x) {
  return {x.data(), x.extent(0)};
}

/// The same memory as a row-major matrix of Eigen. Valid as long as the memory is.
/// @param[in] x [rows, columns];  @returns [rows, columns]
template <class T>
[[nodiscard]] EigenMatrix<T> as_eigen(MatrixView<T> x) {
  return {x.data(), x.extent(0), x.extent(1)};
}

/// Rows at a distance as a row-major matrix of Eigen. Valid as long as the memory is.
/// @param[in] x [rows, width] with `x.stride` elements between rows;  @returns [rows, width]
template <class T>
[[nodiscard]] EigenRows<T> as_eigen(RowsView<T> x) {
  return {x.data, x.rows, x.width, Eigen::OuterStride<>(x.stride)};
}

/// An owner shows itself the same way.
template <class T, int Rank>
[[nodiscard]] auto as_eigen(Tensor<T, Rank>& x) {
  return as_eigen(x.view());
}
template <class T, int Rank>
[[nodiscard]] auto as_eigen(Tensor<T, Rank> const& x) {
  return as_eigen(x.cview());
}

/// The memory of a plain row-major Eigen matrix, without copy. Valid as long as the matrix is.
template <class T>
[[nodiscard]] MatrixView<T> as_tensor(RowMatrix<T>& x) {
  return {x.data(), {x.rows(), x.cols()}};
}
template <class T>
[[nodiscard]] MatrixView<T const> as_tensor(RowMatrix<T> const& x) {
  return {x.data(), {x.rows(), x.cols()}};
}
template <class T>
[[nodiscard]] VectorView<T> as_tensor(Eigen::Matrix<T, Eigen::Dynamic, 1>& x) {
  return {x.data(), {x.size()}};
}
template <class T>
[[nodiscard]] VectorView<T const> as_tensor(Eigen::Matrix<T, Eigen::Dynamic, 1> const& x) {
  return {x.data(), {x.size()}};
}

}  // namespace accrete::host

namespace accrete {
using host::as_eigen;
using host::as_tensor;
using host::RowMatrix;
}  // namespace accrete
