#pragma once

#include <accrete/method/detail/ranpac_tuned.hpp>
#include <accrete/tuning/full.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// RanPAC with the whole network fine-tuned on the first task.
/// @source McDonnell et al., NeurIPS 2023, arXiv:2307.02251, Algorithm 1
struct RanpacFinetune : detail::RanpacTuned<Full, NoPrompt> {
  static constexpr std::string_view name = "ranpac-finetune";
  static constexpr std::string_view summary = "random projection of features of a network fine-tuned on the first task, and a ridge classifier";

  /// The numbers of APER's fine-tuning.
  [[nodiscard]] static Settings standard() { return {.protocol = detail::first_task(5, 0.01, 128)}; }
};

}  // namespace accrete::method
