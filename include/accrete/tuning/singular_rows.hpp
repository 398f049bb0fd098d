#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace accrete::detail {

/// Makes rows orthonormal, one after the other, twice so that rounding does not leave an angle.
inline void orthonormalise(std::vector<std::vector<double>>& rows) {
  auto const dot = [](std::vector<double> const& a, std::vector<double> const& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) { sum += a[i] * b[i]; }
    return sum;
  };
  for (std::size_t k = 0; k < rows.size(); ++k) {
    for (int round = 0; round < 2; ++round) {
      for (std::size_t j = 0; j < k; ++j) {
        double const along = dot(rows[k], rows[j]);
        for (std::size_t i = 0; i < rows[k].size(); ++i) { rows[k][i] -= along * rows[j][i]; }
      }
    }
    double const norm = std::sqrt(std::max(dot(rows[k], rows[k]), 1e-300));
    for (double& value : rows[k]) { value /= norm; }
  }
}

/// The first right singular vectors of a weight, the largest singular value first, by subspace iteration on W^T W in double with a few rows to spare.
/// The sign makes the largest entry of each positive.
/// @param[in] weight [out * in], row-major;  @param[out] rows [k, in]
/// Cost: some 60 passes over the weight per row.
inline void singular_rows(Vector<float> const& weight, Index inputs, Rng const& rng, MatrixView<float> rows) {
  Index const outputs = weight.size() / inputs;
  auto const n = static_cast<std::size_t>(inputs);
  auto const spare = static_cast<std::size_t>(std::min(inputs, rows.extent(0) + 8));
  std::vector<std::vector<double>> basis(spare, std::vector<double>(n));
  std::uint64_t drawn = 0;
  for (auto& row : basis) {
    for (double& value : row) { value = rng.normal(drawn++); }
  }
  orthonormalise(basis);
  for (int iteration = 0; iteration < 60; ++iteration) {
    for (std::size_t k = 0; k < spare; ++k) {
      std::vector<double> next(n, 0.0);
      for (Index o = 0; o < outputs; ++o) {
        float const* const w = weight.data() + o * inputs;
        double along = 0;
        for (std::size_t i = 0; i < n; ++i) { along += w[i] * basis[k][i]; }
        for (std::size_t i = 0; i < n; ++i) { next[i] += along * w[i]; }
      }
      basis[k] = std::move(next);
    }
    orthonormalise(basis);
  }
  for (Index k = 0; k < rows.extent(0); ++k) {
    auto const& row = basis[static_cast<std::size_t>(k)];
    double const largest = *std::max_element(row.begin(), row.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
    std::transform(row.begin(), row.end(), rows[k].begin(), [largest](double value) { return static_cast<float>(largest < 0 ? -value : value); });
  }
}

}  // namespace accrete::detail
