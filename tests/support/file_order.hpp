#pragma once

#include "trajectory.hpp"

#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/core/accumulates.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/train/batch_order.hpp>
#include <accrete/train/fisher.hpp>
#include <accrete/train/learning_part.hpp>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace accrete::test {

/// Pictures of a trajectory as the source of a Fisher pass: in the order given, whatever order it asks for.
template <class Exec, class Tuning>
class FileOrder {
 public:
  FileOrder(Exec const& exec, TrajectoryFile const& reference, Vit<Tuning> const& network, std::vector<Index> rows)
      : reference_(reference), rows_(std::move(rows)), trainer_(exec, network), part_({}, "network", network.parameters()), width_(network.width()) {}

  [[nodiscard]] Index samples() const { return static_cast<Index>(rows_.size()); }
  [[nodiscard]] Index width() const { return width_; }
  [[nodiscard]] auto const& part() const { return part_; }
  void begin_epoch(BatchOrder const& order, Index first) {
    batch_ = order.batch;
    done_ = first;
  }
  [[nodiscard]] bool next() {
    Index const first = done_ * batch_;
    if (first >= samples()) { return false; }
    positions_.clear();
    for (Index i = first; i < std::min(first + batch_, samples()); ++i) { positions_.push_back(i); }
    ++done_;
    return true;
  }
  [[nodiscard]] std::span<Index const> positions() const { return positions_; }
  [[nodiscard]] Index batches_done() const { return done_; }
  void forward(MatrixView<float> features, std::span<Index const> /*labels*/, RngKey const& dropout) {
    std::vector<Index> rows;
    for (Index const position : positions_) { rows.push_back(rows_[static_cast<std::size_t>(position)]); }
    images_ = reference_.images(rows);
    trainer_.forward(images_.cview(), hook_, features, dropout);
  }
  void clear() { trainer_.zero_gradients(); }
  void backward(MatrixView<float const> d_features, Accumulates what) { trainer_.backward(d_features, hook_, what); }
  void collect() { part_.attach(trainer_.gradients()); }

 private:
  TrajectoryFile const& reference_;
  std::vector<Index> rows_;
  VitTrainer<Exec> trainer_;
  LearningPart<accrete::detail::NoSteps> part_;
  NoHook hook_;
  Tensor<float, 4> images_;
  std::vector<Index> positions_;
  Index width_;
  Index batch_ = 1;
  Index done_ = 0;
};

/// The Fisher information of a network on some pictures of a trajectory, under labels of their own.
/// @param[in] head  rows of a LinearHead;  @param[in] labels  one per row
template <class Exec, class Tuning>
[[nodiscard]] Vector<float> fisher_in_file_order(Exec const& exec, TrajectoryFile const& reference, Vit<Tuning> const& network, ParameterStore<float> const& head, std::vector<Index> const& rows,
                                                 std::vector<Index> const& labels, FisherSettings const& settings, Index batch, std::uint64_t seed = 0) {
  FileOrder source(exec, reference, network, rows);
  return FisherPass(exec, source, LinearHead{}, head, labels, settings, batch, seed, 0).run(source.part());
}

}  // namespace accrete::test
