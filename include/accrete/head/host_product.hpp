#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/product.hpp>
#include <accrete/kernels/transfer.hpp>

#include <algorithm>
#include <type_traits>

namespace accrete {

/// kernels::product for x and y in host memory, whatever memory the executor works in: heads keep their statistics on the host.
/// @param[in] x [rows, in];  @param[out] y [rows, out];  everything else as kernels::product
template <class Exec>
void host_product(Exec const& exec, RowsView<float const> x, typename Exec::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<float> y) {
  using Memory = typename Exec::Memory;
  if constexpr (std::is_same_v<Memory, HostMemory>) {
    kernels::product(exec, x, packed, epilogue, y);
  } else {
    Matrix<float> host_x({x.rows, x.width});
    for (Index i = 0; i < x.rows; ++i) { std::copy_n(x.row(i), x.width, host_x.data() + i * x.width); }
    Matrix<float, Memory> there_x(host_x.shape());
    Matrix<float, Memory> there_y({y.rows, y.width});
    kernels::upload(exec, host_x.cview(), there_x.view());
    kernels::product(exec, there_x.cview(), packed, epilogue, there_y.view());
    Matrix<float> host_y(there_y.shape());
    kernels::download(exec, there_y.cview(), host_y.view());
    for (Index i = 0; i < y.rows; ++i) { std::copy_n(host_y.data() + i * y.width, y.width, y.row(i)); }
  }
}

}  // namespace accrete
