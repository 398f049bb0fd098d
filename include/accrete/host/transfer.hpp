#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/kernels/transfer.hpp>

#include <algorithm>

namespace accrete::host {

template <class Products, class T>
void upload_on(HostExecutor<Products> const& /*exec*/, VectorView<T const> from, VectorView<T> to) {
  std::copy(from.begin(), from.end(), to.begin());
}

template <class Products, class T>
void download_on(HostExecutor<Products> const& /*exec*/, VectorView<T const> from, VectorView<T> to) {
  std::copy(from.begin(), from.end(), to.begin());
}

}  // namespace accrete::host
