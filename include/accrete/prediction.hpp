#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/rows.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace accrete {

/// Scores of pictures against every class, larger is better.
struct Predictions {
  Matrix<float> scores;              ///< [N, C]
  std::vector<Index> positions;      ///< [N] which example a row belongs to
  std::vector<std::string> skipped;  ///< pictures that were left out, and why
};

/// The best classes of each picture, best first; ties go to the lower column.
struct Ranking {
  Matrix<Index> columns;  ///< [N, k]
  Matrix<float> scores;   ///< [N, k]
};

/// The k best columns of each row of scores [N, C], or all of them where there are fewer than k.
/// @param exec  one that works in host memory
/// @throws ShapeError  when k < 1
template <class Exec>
[[nodiscard]] Ranking rank(Exec const& exec, NonDeduced<MatrixView<float const>> scores, Index k) {
  expects(k >= 1, "rank", "at least one class must be asked for", k);
  Shape<2> const shape{scores.extent(0), std::min(k, scores.extent(1))};
  Ranking ranking{Matrix<Index>(shape), Matrix<float>(shape)};
  kernels::topk(exec, scores, ranking.columns.view(), ranking.scores.view());
  return ranking;
}

}  // namespace accrete
