#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>

namespace accrete::detail {

/// What every head asks of labelled features before it changes anything.
/// @throws ShapeError  for another number of columns than rows, another width than `width` (0: any), or a column without a class
/// @throws ValueError  for a feature that is not finite; the row is named
template <class T = float>
void check_labelled(std::string_view function, NonDeduced<MatrixView<T const>> features, std::span<Index const> columns, Index classes, Index width) {
  expects(features.extent(0) == static_cast<Index>(columns.size()), function, "there must be one column per feature", features.extent(0), columns.size());
  expects(features.extent(1) > 0 && (width == 0 || features.extent(1) == width), function, "the features must keep their width", features.extent(1), width);
  for (Index const column : columns) { expects(column >= 0 && column < classes, function, "a column must be that of an admitted class", column, classes); }
  for (Index i = 0; i < features.extent(0); ++i) {
    T const* const row = features.data() + i * features.extent(1);
    if (!std::all_of(row, row + features.extent(1), [](T x) { return std::isfinite(x); })) { fail<ValueError>(function, "row ", i, " of the features holds a number that is not finite"); }
  }
}

/// What every head asks of a request for scores.
inline void check_scored(std::string_view function, MatrixView<float const> features, MatrixView<float> scores, Index classes, Index width) {
  if (classes == 0) { fail<ValueError>(function, "there is no class yet"); }
  expects(features.extent(1) == width, function, "the features must have the width of those learned from", features.extent(1), width);
  expects(scores.extent(0) == features.extent(0) && scores.extent(1) == classes, function, "scores must be [features, classes]", scores.extent(0), scores.extent(1), features.extent(0), classes);
}

/// What every head asks of a map from another state's columns to its own.
inline void check_merge(std::string_view function, std::span<Index const> columns, Index other_classes, Index classes) {
  expects(static_cast<Index>(columns.size()) == other_classes, function, "there must be one column per class of the other", columns.size(), other_classes);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    expects(columns[i] >= 0 && columns[i] < classes, function, "a column must be that of an admitted class", columns[i], classes);
    expects(std::find(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(i), columns[i]) == columns.begin() + static_cast<std::ptrdiff_t>(i), function,
            "two classes of the other must not share a column", columns[i]);
  }
}

/// What every head asks of counts that come from a file.
/// @throws FileError  for a negative one
inline void check_counts(std::string_view file, std::span<Index const> counts) {
  if (std::any_of(counts.begin(), counts.end(), [](Index count) { return count < 0; })) { fail<FileError>(file, "holds a class with a negative number of samples"); }
}

}  // namespace accrete::detail
