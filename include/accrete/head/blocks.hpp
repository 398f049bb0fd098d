#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// The rows of a head that came with one task, as segments of a store:
///   head.<task>.weight [k, L], and head.<task>.bias [k] where the head has one
/// A block of its own for each task, so that rows which stand still lie outside of everything an optimiser sees: no decay, no momentum moves them.
struct HeadBlock {
  static constexpr std::string_view role = "head";

  std::string weight;  ///< name of the segment
  std::string bias;    ///< name of the segment; empty where the head has none
  Index task = 0;
  Index first = 0;    ///< first column of the scores
  Index classes = 0;  ///< number of columns

  [[nodiscard]] static std::string weight_name(Index task) { return message(role, ".", task, ".weight"); }
  [[nodiscard]] static std::string bias_name(Index task) { return message(role, ".", task, ".bias"); }
};

/// The blocks of a store in the order of their columns.
template <class T>
[[nodiscard]] std::vector<HeadBlock> head_blocks(ParameterStore<T> const& store) {
  std::vector<HeadBlock> blocks;
  Index first = 0;
  for (ParameterSegment const& segment : store.segments()) {
    if (segment.role != HeadBlock::role || segment.name != HeadBlock::weight_name(segment.task)) { continue; }
    auto bias = HeadBlock::bias_name(segment.task);
    if (!store.contains(bias)) { bias.clear(); }
    blocks.push_back({segment.name, std::move(bias), segment.task, first, segment.shape[0]});
    first += segment.shape[0];
  }
  return blocks;
}

/// Which blocks of a head an optimiser may move.
///   none    all stand still
///   newest  the block of the latest task, and what belongs to no task, such as a common scale
///   all     every block: alignment, or a head that learns all classes together
enum class LearningBlocks { none, newest, all };

/// Freezes and frees the segments of role `head`.
template <class T>
void let_learn(ParameterStore<T>& store, LearningBlocks which) {
  Index newest = -1;
  for (HeadBlock const& block : head_blocks(store)) { newest = std::max(newest, block.task); }
  std::vector<ParameterSegment> const segments = store.segments();
  for (ParameterSegment const& segment : segments) {
    if (segment.role != HeadBlock::role) { continue; }
    bool const learns = which == LearningBlocks::all || (which == LearningBlocks::newest && (segment.task == newest || segment.task < 0));
    store.train_rows(segment.name, 0, learns ? segment.shape[0] : 0);
  }
}

namespace detail {

/// Columns [first, first + count) of a matrix as a matrix of doubles.
template <class T>
[[nodiscard]] Matrix<double> block_columns(MatrixView<T const> matrix, Index first, Index count) {
  Matrix<double> part({matrix.extent(0), count});
  for (Index i = 0; i < matrix.extent(0); ++i) {
    for (Index j = 0; j < count; ++j) { part(i, j) = static_cast<double>(matrix(i, first + j)); }
  }
  return part;
}

template <class T>
[[nodiscard]] Matrix<T> turned(MatrixView<T const> matrix) {
  Matrix<T> result({matrix.extent(1), matrix.extent(0)});
  for (Index i = 0; i < matrix.extent(0); ++i) {
    for (Index j = 0; j < matrix.extent(1); ++j) { result(j, i) = matrix(i, j); }
  }
  return result;
}

/// to += from, elementwise and rounded once.
template <class T>
void add_rounded(double const* from, Index count, T* to) {
  std::transform(from, from + count, to, to, [](double a, T b) { return static_cast<T>(static_cast<double>(b) + a); });
}

/// Whether nothing flows back through a block: a masked loss gives exact zeros there.
[[nodiscard]] inline bool all_zero(Matrix<double> const& matrix) {
  return std::all_of(matrix.begin(), matrix.end(), [](double x) { return x == 0.0; });
}

/// What every head with blocks asks of features and the logits (or their gradient).
template <class T>
void check_logits(std::string_view function, std::vector<HeadBlock> const& blocks, ParameterStore<T> const& store, Shape<2> features, Shape<2> logits) {
  if (blocks.empty()) { fail<ValueError>(function, "there is no class yet"); }
  Index const classes = blocks.back().first + blocks.back().classes;
  Index const width = store.segment(blocks.front().weight).shape[1];
  expects(features[1] == width, function, "the features must have the width of the rows", features[1], width);
  expects(logits[0] == features[0] && logits[1] == classes, function, "logits must be [features, classes]", logits[0], logits[1], features[0], classes);
}

template <class T>
void check_gradients(std::string_view function, ParameterStore<T> const& store, ParameterStore<T> const& gradients, Shape<2> features, Shape<2> d_features) {
  expects(d_features == features, function, "features and their gradient must have one shape", d_features[0], d_features[1], features[0], features[1]);
  expects(gradients.values().size() == store.values().size() && gradients.size() == store.size(), function, "the gradients must have the segments of the parameters", gradients.values().size(),
          store.values().size());
}

}  // namespace detail

}  // namespace accrete
