#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/feature_map.hpp>
#include <accrete/head/packed_cache.hpp>
#include <accrete/head/ridge_report.hpp>
#include <accrete/head/ridge_selection.hpp>

#include <optional>
#include <vector>

namespace accrete {

template <class Feature>
struct RidgeHead;

/// What a ridge head has learned. With H [N, M] the mapped features and Y [N, C] the one-hot labels of all samples so far:
/// gram = H^T H, sums = Y^T H, weights = sums (gram + ridge I)^-1.
/// @tparam Feature  FeatureMap
template <class Feature>
class RidgeState {
  static_assert(FeatureMap<Feature>, "the argument of RidgeHead must be a FeatureMap");

 public:
  [[nodiscard]] Index classes() const { return static_cast<Index>(counts_.size()); }
  /// Width M of the mapped features; 0 before the first feature.
  [[nodiscard]] Index outputs() const { return map_ ? map_->outputs() : 0; }
  /// Samples in the sums.
  [[nodiscard]] Index samples() const { return samples_; }
  /// Samples of each class in the sums.
  [[nodiscard]] std::vector<Index> const& counts() const { return counts_; }
  [[nodiscard]] SymmetricMatrix<double> const& gram() const { return gram_; }  ///< [M, M]
  [[nodiscard]] Matrix<double> const& sums() const { return sums_; }           ///< [C, M]
  [[nodiscard]] Matrix<double> const& weights() const { return weights_; }     ///< [C, M] as of the last `fit`
  [[nodiscard]] double ridge() const { return ridge_; }                        ///< of the last `fit`; 0 before
  [[nodiscard]] RidgeReport const& report() const { return report_; }
  [[nodiscard]] RidgeSums known() const { return {gram_.view(), sums_.view(), samples_}; }

 private:
  friend struct RidgeHead<Feature>;

  [[nodiscard]] Index inputs() const { return map_ ? map_->inputs() : 0; }
  [[nodiscard]] Index waiting() const { return static_cast<Index>(row_columns_.size()); }
  /// Rows since the last fit, or a part of them.
  [[nodiscard]] MatrixView<float const> rows(Index first, Index count) const { return {rows_.data() + first * inputs(), {count, inputs()}}; }

  std::optional<Feature> map_;
  Index samples_ = 0;
  std::vector<Index> counts_;
  Matrix<double> sums_;
  SymmetricMatrix<double> gram_;
  Matrix<double> weights_;
  double ridge_ = 0.0;
  Index fits_ = 0;

  std::vector<float> rows_;  // features since the last fit: some added to the sums, all needed by the selection
  std::vector<Index> row_columns_;
  Index added_ = 0;                       // how many of them are in the sums
  std::vector<std::vector<float>> kept_;  // per class, where the head keeps features

  RidgeReport report_;
  PackedCache packed_;
};

}  // namespace accrete
