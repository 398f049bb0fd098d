#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/gaussian.hpp>
#include <accrete/learner.hpp>
#include <accrete/method/detail/first_task.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace accrete::method {

/// FeCAM on features that adapters bend, learned on the first task.
/// @source Goswami et al., NeurIPS 2023, arXiv:2309.14062; with adapters as in Zhou et al., "LAMDA-PILOT", arXiv:2309.07117
struct FecamAdapter {
  static constexpr std::string_view name = "fecam-adapter";
  static constexpr std::string_view summary = "FeCAM on features that adapters bend, learned on the first task";
  static constexpr std::string_view paper = "Goswami et al., FeCAM, NeurIPS 2023, arXiv:2309.14062; Zhou et al., LAMDA-PILOT, arXiv:2309.07117";

  using Settings = MethodSettings<Bottleneck, NoPrompt, GaussianHead, detail::FirstTask>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Vit<Bottleneck>, NoPrompt, GaussianHead, NoMerge, detail::FirstTask>;

  [[nodiscard]] static Settings standard() { return adapted(detail::first_task(20, 0.01, 48)); }
  /// As in PILOT, the adapters of 16 units; the distance is the paper's unless `recipe` says otherwise.
  [[nodiscard]] static std::vector<Published<Settings>> published() { return {{"pilot-cifar100", standard()}, {"pilot-imagenet-r", adapted(detail::first_task(10, 0.05, 16, 5e-3))}}; }

  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>(Vit<Bottleneck>(trunk, drawn.tuning, Settings::tuning_key(seed)), drawn.prompt, drawn.head, {}, drawn.protocol);
  }

 private:
  static Settings adapted(detail::FirstTask const& protocol) { return {.tuning = {.width = 16}, .protocol = protocol}; }
};

}  // namespace accrete::method
