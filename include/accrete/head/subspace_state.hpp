#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/head/exact_sums.hpp>
#include <accrete/head/packed_cache.hpp>

#include <numeric>
#include <vector>

namespace accrete {

struct SubspaceHead;

/// What a subspace head has learned: sums of features per class and block, and the prototypes that follow from them.
/// The blocks of a feature are [pre-trained,] subspace of task 0, ..., subspace of the latest task.
class SubspaceState {
 public:
  [[nodiscard]] Index classes() const { return static_cast<Index>(tasks_.size()); }
  /// Number of subspaces: tasks so far.
  [[nodiscard]] Index subspaces() const { return subspaces_; }
  /// Width L of one block; 0 before the first task.
  [[nodiscard]] Index width() const { return width_; }
  /// The task each class came with.
  [[nodiscard]] std::vector<Index> const& tasks() const { return tasks_; }
  /// Samples of each class.
  [[nodiscard]] std::vector<Index> const& counts() const { return counts_; }
  /// [C, blocks * L] as of the last `fit`: real prototypes in the blocks up to a class's own task, synthetic ones behind, zero for a class without a sample.
  [[nodiscard]] Matrix<double> const& prototypes() const { return prototypes_; }

 private:
  friend struct SubspaceHead;

  [[nodiscard]] Index blocks() const { return static_cast<Index>(sums_.size()); }

  Index width_ = 0;
  Index subspaces_ = 0;
  std::vector<Index> tasks_;
  std::vector<Index> counts_;
  std::vector<ExactSums> sums_;  // by block, each [C, L]
  Matrix<double> prototypes_;
  PackedCache packed_;
};

}  // namespace accrete
