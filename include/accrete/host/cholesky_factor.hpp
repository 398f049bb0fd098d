#pragma once

#include <accrete/host/cholesky.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/kernels/cholesky.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace accrete::host {

template <class Products>
std::optional<CholeskyFactor<double>> cholesky_on(HostExecutor<Products> const& exec, SymmetricMatrix<double> a) {
  CholeskyFactor<double> factor{std::move(a), {}};
  set_padding(factor.lower.view());
  if (!cholesky(exec.thread_count(), factor)) { return std::nullopt; }
  return factor;
}

/// The tiled solve wants whole tiles and whole vectors: right-hand sides are copied, a few hundred columns at a time.
template <class Products>
void solve_lower_on(HostExecutor<Products> const& exec, CholeskyFactor<double> const& factor, MatrixView<double> x) {
  constexpr Index most_columns = 384;
  Index const rows = factor.lower.view().layout().tiles() * TriangleTiles::edge;
  for (Index first = 0; first < x.extent(1); first += most_columns) {
    Index const count = std::min(most_columns, x.extent(1) - first);
    Index const padded = (count + simd::lanes<double> - 1) / simd::lanes<double> * simd::lanes<double>;
    auto work = Matrix<double>::zeros({rows, padded});
    for (Index i = 0; i < x.extent(0); ++i) { std::copy_n(x.data() + i * x.extent(1) + first, count, work.data() + i * padded); }
    cholesky_solve_lower(exec.thread_count(), factor, work.view());
    for (Index i = 0; i < x.extent(0); ++i) { std::copy_n(work.data() + i * padded, count, x.data() + i * x.extent(1) + first); }
  }
}

}  // namespace accrete::host
