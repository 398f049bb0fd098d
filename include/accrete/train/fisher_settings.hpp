#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>

#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// Under which labels a Fisher information is taken.
///   given  those of the pictures: the empirical Fisher
///   drawn  one for each picture, drawn from what the network says of it: unbiased for the Fisher itself, sum_c p_c (d log p_c)^2, at the cost of one pass
enum class FisherLabels { given, drawn };

/// What is squared.
///   of_batches  the gradient of a batch's mean loss; the squares are averaged over the batches, the last of which counts in full however small it is
///   of_samples  the gradient of each picture's loss; the squares are averaged over the pictures. About B times as large as the former for batches of B
enum class FisherSquares { of_batches, of_samples };

/// How the diagonal of a Fisher information is estimated (train/fisher.hpp). The defaults are CoFiMA's.
/// @source Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners" (CoFiMA), ECCV 2024, arXiv:2312.08977; floor: Wortsman et al. (WiSE-FT), arXiv:2109.01903, release
struct FisherSettings {
  FisherLabels labels = FisherLabels::given;
  FisherSquares squares = FisherSquares::of_batches;
  Index batch = 0;     ///< pictures of one batch; 0: as in training
  double cap = 1e-4;   ///< no value is larger
  double floor = 0.0;  ///< no value is smaller

  /// @throws ValueError  when the numbers make no sense
  void check() const {
    if (!(floor >= 0.0 && cap >= floor)) { fail<ValueError>("FisherSettings", "the floor must lie in [0, cap] (came: ", floor, " and ", cap, ")"); }
    if (batch < 0) { fail<ValueError>("FisherSettings", "a batch must have at least one picture (came: ", batch, ")"); }
  }

  [[nodiscard]] static std::vector<Setting<FisherSettings>> settings() {
    double const large = 1e30;
    return {choice_setting("fisher-labels", "under which labels Fisher information is taken", &FisherSettings::labels,
                           std::vector<std::pair<std::string, FisherLabels>>{{"given", FisherLabels::given}, {"drawn", FisherLabels::drawn}}),
            choice_setting("fisher-squares", "whose gradients are squared", &FisherSettings::squares,
                           std::vector<std::pair<std::string, FisherSquares>>{{"of-batches", FisherSquares::of_batches}, {"of-samples", FisherSquares::of_samples}}),
            number_setting("fisher-batch", "pictures of one batch; 0: as in training", &FisherSettings::batch, Index{0}, Index{1000000}),
            number_setting("fisher-cap", "largest Fisher information of a parameter", &FisherSettings::cap, 0.0, large),
            number_setting("fisher-floor", "smallest Fisher information of a parameter", &FisherSettings::floor, 0.0, large)};
  }
};

}  // namespace accrete
