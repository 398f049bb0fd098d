#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/double_product.hpp>

#include <algorithm>
#include <cmath>

namespace accrete {

namespace detail {
/// Never 0: a row of zeros has no direction, and its cosine with every other is 0.
[[nodiscard]] inline double key_length(VectorView<float const> row) {
  double squares = 0.0;
  for (float const value : row) { squares += static_cast<double>(value) * static_cast<double>(value); }
  return std::max(std::sqrt(squares), 1e-12);
}
}  // namespace detail

/// Cosines of queries with keys.
/// @param[in] queries [B, D], keys [M, D], host memory;  @returns [B, M]
template <class Exec>
[[nodiscard]] Matrix<double> key_similarity(Exec const& exec, MatrixView<float const> queries, MatrixView<float const> keys) {
  auto near = Matrix<double>::zeros({queries.extent(0), keys.extent(0)});
  kernels::row_products(exec, queries, keys, near.view());
  for (Index b = 0; b < near.extent(0); ++b) {
    double const length = detail::key_length(queries[b]);
    for (Index slot = 0; slot < near.extent(1); ++slot) { near(b, slot) /= length * detail::key_length(keys[slot]); }
  }
  return near;
}

/// Adds the gradient of  -scale * sum over the batch and its slots of cos(query, key),  queries being constant:
///   d cos / d key = (q / |q| - cos key / |key|) / |key|
/// @param[in] chosen [B, k];  @param[in] similarity [B, M] of `key_similarity`;  @param[in,out] d_keys [M, D]
/// @returns the sum of the cosines
[[nodiscard]] inline double pull_keys(MatrixView<float const> queries, MatrixView<Index const> chosen, MatrixView<double const> similarity, MatrixView<float const> keys, double scale,
                                      MatrixView<float> d_keys) {
  double sum = 0.0;
  for (Index b = 0; b < chosen.extent(0); ++b) {
    double const query_length = detail::key_length(queries[b]);
    for (Index const slot : chosen[b]) {
      double const cosine = similarity(b, slot);
      double const length = detail::key_length(keys[slot]);
      sum += cosine;
      for (Index i = 0; i < keys.extent(1); ++i) {
        d_keys(slot, i) -= static_cast<float>(scale * (static_cast<double>(queries(b, i)) / query_length - cosine * static_cast<double>(keys(slot, i)) / length) / length);
      }
    }
  }
  return sum;
}

}  // namespace accrete
