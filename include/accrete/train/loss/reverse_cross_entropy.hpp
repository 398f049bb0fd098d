#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/loss/columns.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// A sum of cross-entropy and its reverse, in which prediction and label change places; noise in the labels and a drifting backbone hurt it less.
///   loss = a CE + b RCE,   RCE = mean_b(-sum_k p'_k log y'_k),   p' = p clamped to [1e-7, 1],  y' the one-hot label clamped to [1e-4, 1]
/// Over the valid columns; the gradient of every other column is exactly zero, and a clamped p'_k passes none.
/// @source Zhang et al., "SLCA++", arXiv:2408.08295, the authors' release; specification: representation-methods.md §6
struct SymmetricCrossEntropy {
  static constexpr std::string_view name = "symmetric-cross-entropy";

  double forward = 1.0;  ///< a
  double reverse = 0.1;  ///< b

  /// @param[in] logits [B, C];  @param[in] labels [B] valid columns;  @param[out] d_logits [B, C]
  /// @returns the mean loss
  /// @throws ShapeError, ValueError  as detail::check_loss and check_labels say; `d_logits` is unchanged then
  template <class T>
  double operator()(NonDeduced<MatrixView<T const>> logits, std::span<Index const> labels, ColumnRange columns, MatrixView<T> d_logits) const {
    detail::check_loss<T>("SymmetricCrossEntropy", logits, columns, d_logits);
    detail::check_labels("SymmetricCrossEntropy", labels, logits.extent(0), columns);
    auto const batch = static_cast<double>(logits.extent(0));
    double const far = -std::log(least_label);
    std::vector<double> p;
    double loss = 0.0;
    for (Index b = 0; b < logits.extent(0); ++b) {
      auto const z = logits[b].slice(columns.first, columns.count);
      auto const label = static_cast<std::size_t>(labels[static_cast<std::size_t>(b)] - columns.first);
      double const lse = detail::softmax_row<T>(z, p);
      loss += forward * (lse - static_cast<double>(z.data()[label]));
      double passing = 0.0;  // sum of the wrong p that are not clamped
      for (std::size_t k = 0; k < p.size(); ++k) {
        if (k == label) { continue; }
        loss += reverse * far * std::max(p[k], least_prediction);
        passing += p[k] >= least_prediction ? p[k] : 0.0;
      }
      std::fill(d_logits[b].begin(), d_logits[b].end(), T{0});
      T* const dz = d_logits[b].data() + columns.first;
      for (std::size_t k = 0; k < p.size(); ++k) {
        double const through = k != label && p[k] >= least_prediction ? 1.0 : 0.0;
        double const own = k == label ? 1.0 : 0.0;
        dz[k] = static_cast<T>((forward * (p[k] - own) + reverse * far * p[k] * (through - passing)) / batch);
      }
    }
    return loss / batch;
  }

  [[nodiscard]] static std::vector<Setting<SymmetricCrossEntropy>> settings() {
    return {number_setting("cross-entropy", "weight of the cross-entropy", &SymmetricCrossEntropy::forward, 0.0, 1e6),
            number_setting("reverse-cross-entropy", "weight of its reverse", &SymmetricCrossEntropy::reverse, 0.0, 1e6)};
  }

 private:
  static constexpr double least_prediction = 1e-7;
  static constexpr double least_label = 1e-4;
};

}  // namespace accrete
