#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/term/concept.hpp>

#include <string_view>
#include <vector>

namespace accrete {

/// Keeps the features of a batch near those of the network as the task began, on the same augmented pictures:
///   loss = weight * mean_b |f_b - g_b|^2,   df_b = 2 weight (f_b - g_b) / B
/// The square is summed over the width and the features are as they are: the mean over all numbers, as ZSCL's option has it, is a weight divided by D.
/// @source specification: mixture-methods.md §4.4 (options), §8
struct FeatureDistillation {
  static constexpr std::string_view name = "feature-distillation";

  double weight = 1.0;

  [[nodiscard]] bool asks_for_features() const { return weight > 0.0; }

  /// @param[in] features, teacher [B, D];  @param[in] share  of the gradient that is added;  @param[in,out] d_features [B, D]
  /// @returns the value; 0 for no rows
  /// @throws ShapeError  when shapes differ; `d_features` is unchanged then
  template <class T>
  double judge_beside(NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T const>> teacher, double share, MatrixView<T> d_features) const {
    expects(teacher.shape() == features.shape() && d_features.shape() == features.shape(), "FeatureDistillation", "features, the teacher's and the gradient must have one shape [B, D]",
            features.extent(0), features.extent(1), teacher.extent(0), teacher.extent(1), d_features.extent(0), d_features.extent(1));
    if (features.empty()) { return 0.0; }
    double const each = weight / static_cast<double>(features.extent(0));
    double squares = 0.0;
    for (Index i = 0; i < features.size(); ++i) {
      double const off = static_cast<double>(features.data()[i]) - static_cast<double>(teacher.data()[i]);
      squares += off * off;
      T& d = d_features.data()[i];
      d = static_cast<T>(static_cast<double>(d) + share * 2.0 * each * off);
    }
    return each * squares;
  }

  [[nodiscard]] static std::vector<Setting<FeatureDistillation>> settings() {
    return {number_setting("feature-distillation", "weight of the term that keeps features near those the task began with; 0: none", &FeatureDistillation::weight, 0.0, 1e12)};
  }
};
static_assert(JudgesBesideTeacher<FeatureDistillation>);

}  // namespace accrete
