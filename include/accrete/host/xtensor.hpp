#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

// Releases 0.26 and later keep their headers in folders.
#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include <array>
#include <cstddef>

/// Arrays of xtensor at the boundary. xtensor is lazy: assign an expression to an array of its own before showing it here.
namespace accrete::host {

/// The same memory as an xtensor array of fixed rank, row-major, without copy. Valid as long as the memory is.
/// @param[in] x any rank;  @returns an `xt::xtensor_adaptor` of the same extents
template <class T, int Rank>
[[nodiscard]] auto as_xtensor(TensorView<T, Rank> x) {
  std::array<std::size_t, static_cast<std::size_t>(Rank)> shape{};
  for (int axis = 0; axis < Rank; ++axis) { shape[static_cast<std::size_t>(axis)] = static_cast<std::size_t>(x.extent(axis)); }
  return xt::adapt<xt::layout_type::row_major>(x.data(), static_cast<std::size_t>(x.size()), xt::no_ownership(), shape);
}
template <class T, int Rank>
[[nodiscard]] auto as_xtensor(Tensor<T, Rank>& x) {
  return as_xtensor(x.view());
}
template <class T, int Rank>
[[nodiscard]] auto as_xtensor(Tensor<T, Rank> const& x) {
  return as_xtensor(x.cview());
}

namespace detail {
template <int Rank, class T, class Extents>
[[nodiscard]] TensorView<T, Rank> view_of(T* data, Extents const& extents) {
  expects(extents.size() == static_cast<std::size_t>(Rank), "as_tensor", "the array must have the rank asked for", extents.size(), Rank);
  Shape<Rank> shape{};
  for (std::size_t axis = 0; axis < extents.size(); ++axis) { shape[axis] = static_cast<Index>(extents[axis]); }
  return {data, shape};
}
}  // namespace detail

/// The memory of a row-major xtensor array of fixed rank, without copy. Valid as long as the array is and keeps its extents.
template <class T, std::size_t Rank>
[[nodiscard]] auto as_tensor(xt::xtensor<T, Rank, xt::layout_type::row_major>& x) {
  return detail::view_of<static_cast<int>(Rank)>(x.data(), x.shape());
}
template <class T, std::size_t Rank>
[[nodiscard]] auto as_tensor(xt::xtensor<T, Rank, xt::layout_type::row_major> const& x) {
  return detail::view_of<static_cast<int>(Rank)>(x.data(), x.shape());
}

/// The memory of a row-major xtensor array whose rank is known at run time: `as_tensor<2>(array)`.
/// @throws ShapeError  when the array has another rank
template <int Rank, class T>
[[nodiscard]] TensorView<T, Rank> as_tensor(xt::xarray<T, xt::layout_type::row_major>& x) {
  return detail::view_of<Rank>(x.data(), x.shape());
}
template <int Rank, class T>
[[nodiscard]] TensorView<T const, Rank> as_tensor(xt::xarray<T, xt::layout_type::row_major> const& x) {
  return detail::view_of<Rank>(x.data(), x.shape());
}

}  // namespace accrete::host

namespace accrete {
using host::as_tensor;
using host::as_xtensor;
}  // namespace accrete
