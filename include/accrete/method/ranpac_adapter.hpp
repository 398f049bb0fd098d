#pragma once

#include <accrete/method/detail/ranpac_tuned.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// RanPAC with adapters learned on the first task.
/// @source McDonnell et al., NeurIPS 2023, arXiv:2307.02251, Algorithm 1
struct RanpacAdapter : detail::RanpacTuned<Bottleneck, NoPrompt> {
  static constexpr std::string_view name = "ranpac-adapter";
  static constexpr std::string_view summary = "random projection of features that adapters bend, learned on the first task, and a ridge classifier";

  /// The data sets for which the authors chose this module; pilot-*: as in PILOT.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    return {{"cifar100", standard()}, {"cub200", standard()}, {"pilot-cifar100", standard()}, {"pilot-imagenet-r", {.protocol = detail::first_task(10, 0.05, 16, 5e-3)}}};
  }
};

}  // namespace accrete::method
