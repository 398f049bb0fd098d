#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/loss/concept.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/loss/orthogonality.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// Cross-entropy of the logits, and features that are pushed apart from each other and from the means of earlier classes.
/// @source Sun et al., "MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning", AAAI 2025, arXiv:2412.09441, the authors' release
struct OrthogonalCrossEntropy {
  static constexpr std::string_view name = "orthogonal-cross-entropy";

  CrossEntropy classes;
  Orthogonality apart;

  /// @returns the mean cross-entropy;  arguments and errors as of `CrossEntropy`
  template <class T>
  double operator()(NonDeduced<MatrixView<T const>> logits, std::span<Index const> labels, ColumnRange columns, MatrixView<T> d_logits) const {
    return classes(logits, labels, columns, d_logits);
  }

  /// @param[in] means [K, L];  @param[in] features [B, L];  @param[in] weight of the term;  @param[in,out] d_features [B, L] the gradient is added
  /// @returns the term;  errors as of `Orthogonality`
  template <class Exec>
  double judge(Exec const& exec, MatrixView<double const> means, MatrixView<float const> features, double weight, MatrixView<float> d_features) const {
    Orthogonality weighted = apart;
    weighted.weight *= weight;
    return weighted(exec, means, features, d_features);
  }

  [[nodiscard]] static std::vector<Setting<OrthogonalCrossEntropy>> settings() { return part_settings(&OrthogonalCrossEntropy::apart); }
};
static_assert(JudgesFeatures<OrthogonalCrossEntropy>);

}  // namespace accrete
