#pragma once

#include <accrete/method/detail/prompted.hpp>
#include <accrete/prompt/attention.hpp>

#include <string_view>
#include <vector>

namespace accrete::method::detail {

/// CODA-Prompt by how scores become weights.
/// @tparam Weights  WeightMap
template <class Weights>
struct Coda : Prompted<AttentionPrompt<Weights>> {
  using Base = Prompted<AttentionPrompt<Weights>>;
  using Settings = typename Base::Settings;
  static constexpr std::string_view paper = "Smith et al., CODA-Prompt: COntinual Decomposed Attention-based Prompting for Rehearsal-Free Continual Learning, CVPR 2023, arXiv:2211.13218";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return with(20, 10); }
  /// By data set, as in the authors' release; components a task for its number of tasks.
  [[nodiscard]] static std::vector<Published<Settings>> published() { return {{"cifar100", with(20, 10)}, {"imagenet-r", with(50, 10)}, {"domainnet", with(5, 20)}}; }

 private:
  static Settings with(Index epochs, Index components) {
    Settings settings;
    settings.prompt.per_task = components;
    settings.head.initial = InitialRows::uniform;
    settings.protocol = Base::constant_rate(epochs, 128, 1e-3, 0.0, 0.08);
    settings.protocol.training.curve = RateCurve::coda;
    settings.protocol.training.drop_last = true;
    return settings;
  }
};

}  // namespace accrete::method::detail
