#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/loss/columns.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// Cross-entropy over the valid columns of the logits, with label smoothing e over the n of them:
///   q = e / n + (1 - e) [k = y],   p = softmax(z) over the valid columns;   loss = mean_b(lse(z) - sum_k q_k z_k),   dz = (p - q) / B
/// The gradient of every other column is exactly zero. Masking by minus infinity instead would turn smoothing into infinity.
/// @source specification: backbone.md §2.4
struct CrossEntropy {
  static constexpr std::string_view name = "cross-entropy";

  double smoothing = 0.0;  ///< e in [0, 1)

  /// @param[in] logits [B, C];  @param[in] labels [B] valid columns;  @param[out] d_logits [B, C]
  /// @returns the mean loss
  /// @throws ShapeError, ValueError  as detail::check_loss and check_labels say, or for a smoothing outside of [0, 1); `d_logits` is unchanged then
  template <class T>
  double operator()(NonDeduced<MatrixView<T const>> logits, std::span<Index const> labels, ColumnRange columns, MatrixView<T> d_logits) const {
    detail::check_loss<T>("CrossEntropy", logits, columns, d_logits);
    detail::check_labels("CrossEntropy", labels, logits.extent(0), columns);
    if (!(smoothing >= 0.0 && smoothing < 1.0)) { fail<ValueError>("CrossEntropy", "the smoothing must lie in [0, 1) (came: ", smoothing, ")"); }
    double const even = smoothing / static_cast<double>(columns.count);
    std::vector<double> q(static_cast<std::size_t>(columns.count));
    return rows<T>(logits, columns, d_logits, [&](Index b) -> std::vector<double> const& {
      std::fill(q.begin(), q.end(), even);
      q[static_cast<std::size_t>(labels[static_cast<std::size_t>(b)] - columns.first)] += 1.0 - smoothing;
      return q;
    });
  }

  /// The same for targets that are distributions themselves, such as those of mixed pictures; the smoothing is theirs to have.
  ///   loss = mean_b(sum_k q_k (lse(z) - z_k)),   dz = (p sum_k q_k - q) / B
  /// @param[in] targets [B, n] weights of the valid columns
  /// @throws ShapeError  as detail::check_loss says, or when the targets do not fit;  `d_logits` is unchanged then
  template <class T>
  double soft(NonDeduced<MatrixView<T const>> logits, MatrixView<double const> targets, ColumnRange columns, MatrixView<T> d_logits) const {
    detail::check_loss<T>("CrossEntropy::soft", logits, columns, d_logits);
    expects(targets.extent(0) == logits.extent(0) && targets.extent(1) == columns.count, "CrossEntropy::soft", "targets must be [B, valid columns]", targets.extent(0), targets.extent(1),
            logits.extent(0), columns.count);
    std::vector<double> q(static_cast<std::size_t>(columns.count));
    return rows<T>(logits, columns, d_logits, [&](Index b) -> std::vector<double> const& {
      std::copy(targets[b].begin(), targets[b].end(), q.begin());
      return q;
    });
  }

 private:
  template <class T, class Target>
  static double rows(MatrixView<T const> logits, ColumnRange columns, MatrixView<T> d_logits, Target target) {
    auto const batch = static_cast<double>(logits.extent(0));
    std::vector<double> p;
    double loss = 0.0;
    for (Index b = 0; b < logits.extent(0); ++b) {
      auto const z = logits[b].slice(columns.first, columns.count);
      double const lse = detail::softmax_row<T>(z, p);
      std::vector<double> const& q = target(b);
      double whole = 0.0;
      for (std::size_t k = 0; k < p.size(); ++k) {
        loss += q[k] == 0.0 ? 0.0 : q[k] * (lse - static_cast<double>(z.data()[k]));
        whole += q[k];
      }
      std::fill(d_logits[b].begin(), d_logits[b].end(), T{0});
      T* const dz = d_logits[b].data() + columns.first;
      for (std::size_t k = 0; k < p.size(); ++k) { dz[k] = static_cast<T>((p[k] * whole - q[k]) / batch); }
    }
    return loss / batch;
  }
};

}  // namespace accrete
