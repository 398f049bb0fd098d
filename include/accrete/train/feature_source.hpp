#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/batch_order.hpp>
#include <accrete/train/learning_part.hpp>

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

namespace accrete {

/// Features at hand as the source of a gradient loop: only the head learns.
template <class Optimizer>
class FeatureSource {
 public:
  /// @param[in] features [N, D] host memory; must outlive the source;  @param[in] batch  samples of one step
  FeatureSource(MatrixView<float const> features, Index batch) : features_(features), batch_(batch) {}

  [[nodiscard]] Index samples() const { return features_.extent(0); }
  [[nodiscard]] Index width() const { return features_.extent(1); }

  /// What learns here: nothing.
  [[nodiscard]] LearningParts<Optimizer> parts() { return {}; }

  /// Goes to a batch of an epoch.
  void begin_epoch(BatchOrder const& order, Index first_batch) {
    order_ = order.positions();
    done_ = first_batch;
    taken_ = 0;
  }
  /// Takes the next batch; false at the end of the epoch.
  [[nodiscard]] bool next() {
    Index const first = done_ * batch_;
    taken_ = std::min(batch_, static_cast<Index>(order_.size()) - first);
    if (taken_ <= 0) { return false; }
    ++done_;
    return true;
  }
  /// The samples of the batch.
  [[nodiscard]] std::span<Index const> positions() const { return {order_.data() + (done_ - 1) * batch_, static_cast<std::size_t>(taken_)}; }
  /// Batches of this epoch up to and including this one.
  [[nodiscard]] Index batches_done() const { return done_; }

  void forward(MatrixView<float> features, std::span<Index const> /*labels*/, RngKey const& /*dropout*/) { copy_batch(features); }
  /// What stands still is its own teacher.
  void teach(MatrixView<float> features) const { copy_batch(features); }
  [[nodiscard]] static double own_loss(double /*weight*/) { return 0.0; }
  void clear() {}
  void backward(MatrixView<float const> /*d_features*/) {}
  void collect() {}
  void change(std::function<void(VectorView<float>)> const& /*change*/) {}
  void look(bool /*prompt*/, std::function<void(ParameterStore<float> const&)> const& /*follow*/) const {}
  void refresh() {}
  template <class Writer>
  void write(Writer const& /*writer*/) const {}
  template <class Reader>
  void read(Reader const& /*reader*/) const {}

 private:
  void copy_batch(MatrixView<float> features) const {
    Index row = 0;
    for (Index const position : positions()) {
      auto const from = features_[position];
      std::copy(from.begin(), from.end(), features[row++].begin());
    }
  }

  MatrixView<float const> features_;
  Index batch_;
  std::vector<Index> order_;
  Index done_ = 0;
  Index taken_ = 0;
};

}  // namespace accrete
