#pragma once

#include <accrete/head/gaussian.hpp>
#include <accrete/method/detail/first_task.hpp>
#include <accrete/method/detail/tuned.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// FeCAM on features that adapters bend, learned on the first task.
/// @source Goswami et al., NeurIPS 2023, arXiv:2309.14062; with adapters as in Zhou et al., "LAMDA-PILOT", arXiv:2309.07117
struct FecamAdapter : detail::Tuned<Bottleneck, NoPrompt, GaussianHead, detail::FirstTask> {
  static constexpr std::string_view name = "fecam-adapter";
  static constexpr std::string_view summary = "FeCAM on features that adapters bend, learned on the first task";
  static constexpr std::string_view paper = "Goswami et al., FeCAM, NeurIPS 2023, arXiv:2309.14062; Zhou et al., LAMDA-PILOT, arXiv:2309.07117";

  [[nodiscard]] static Settings standard() { return adapted(detail::first_task(20, 0.01, 48)); }
  /// As in PILOT, the adapters of 16 units; the distance is the paper's unless `recipe` says otherwise.
  [[nodiscard]] static std::vector<Published<Settings>> published() { return {{"pilot-cifar100", standard()}, {"pilot-imagenet-r", adapted(detail::first_task(10, 0.05, 16, 5e-3))}}; }

 private:
  static Settings adapted(detail::FirstTask const& protocol) { return {.tuning = {.width = 16}, .protocol = protocol}; }
};

}  // namespace accrete::method
