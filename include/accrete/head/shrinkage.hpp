#pragma once

#include <accrete/core/symmetric.hpp>

namespace accrete {

/// How far a covariance is pulled towards a multiple of the identity (alpha1) and towards equal correlation (alpha2).
struct Shrinkage {
  double alpha1 = 1.0;
  double alpha2 = 0.0;

  friend bool operator==(Shrinkage const&, Shrinkage const&) = default;
};

/// S + alpha1 d I + alpha2 o (1 1^T - I):  d the mean of the diagonal, o that of the entries beside it; entries that are exactly 0 do not count for o.
/// @source Goswami et al., "FeCAM", NeurIPS 2023, arXiv:2309.14062, covariance shrinkage
[[nodiscard]] inline SymmetricMatrix<double> shrunk(SymmetricMatrix<double> s, Shrinkage const& by) {
  Index const n = s.order();
  double diagonal = 0.0;
  double beside = 0.0;
  Index counted = 0;
  for (Index i = 0; i < n; ++i) {
    diagonal += s(i, i);
    for (Index j = 0; j < i; ++j) {
      beside += s(i, j);
      counted += s(i, j) != 0.0 ? 1 : 0;
    }
  }
  double const on = n > 0 ? by.alpha1 * diagonal / static_cast<double>(n) : 0.0;
  double const off = counted > 0 ? by.alpha2 * beside / static_cast<double>(counted) : 0.0;
  for (Index i = 0; i < n; ++i) {
    s(i, i) += on;
    for (Index j = 0; j < i && off != 0.0; ++j) { s(i, j) += off; }
  }
  return s;
}

}  // namespace accrete
