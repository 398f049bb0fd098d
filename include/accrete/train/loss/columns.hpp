#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// The columns of the logits that a loss looks at: [first, first + count). The classes of a task, or all seen so far; the others get no gradient.
struct ColumnRange {
  Index first = 0;
  Index count = 0;

  [[nodiscard]] constexpr bool holds(Index column) const { return column >= first && column < first + count; }
  friend constexpr bool operator==(ColumnRange const&, ColumnRange const&) = default;
};

namespace detail {

/// @throws ShapeError  when shapes differ or the range leaves the logits
template <class T>
void check_loss(std::string_view function, MatrixView<T const> logits, ColumnRange columns, MatrixView<T> d_logits) {
  expects(logits.shape() == d_logits.shape(), function, "logits and their gradient must have one shape [B, C]", logits.extent(0), logits.extent(1), d_logits.extent(0), d_logits.extent(1));
  expects(columns.first >= 0 && columns.count > 0 && columns.first <= logits.extent(1) - columns.count, function, "the valid columns must lie inside the logits", columns.first, columns.count,
          logits.extent(1));
  expects(logits.extent(0) > 0, function, "a batch must have at least one row", logits.extent(0));
}

/// @throws ShapeError  when there is not one label per row;  ValueError  for a label outside of the valid columns
inline void check_labels(std::string_view function, std::span<Index const> labels, Index rows, ColumnRange columns) {
  expects(static_cast<Index>(labels.size()) == rows, function, "there must be one label per row", labels.size(), rows);
  for (Index const label : labels) {
    if (!columns.holds(label)) { fail<ValueError>(function, "label ", label, " lies outside of the valid columns [", columns.first, ", ", columns.first + columns.count, ")"); }
  }
}

/// Softmax of one row in double, whatever the type of the logits: rows are short, and the loss is a difference of large numbers.
/// @param[out] p [n]
/// @returns the logarithm of the sum of the exponentials
template <class T>
double softmax_row(VectorView<T const> z, std::vector<double>& p) {
  double const largest = static_cast<double>(*std::max_element(z.begin(), z.end()));
  p.resize(static_cast<std::size_t>(z.size()));
  double sum = 0.0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    p[k] = std::exp(static_cast<double>(z.data()[k]) - largest);
    sum += p[k];
  }
  for (double& value : p) { value /= sum; }
  return largest + std::log(sum);
}

}  // namespace detail
}  // namespace accrete
