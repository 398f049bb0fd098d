#pragma once

#include <accrete/method/detail/prompted.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/sgd.hpp>

#include <string_view>
#include <vector>

namespace accrete::method::detail {

/// Prompts that go on learning task after task, with nothing that keeps what they knew: what they forget is what other methods are measured by.
/// @tparam Depth  Shallow or Deep
template <class Depth>
struct Vpt : Prompted<FixedPrompt<Depth>, Sgd> {
  using Base = Prompted<FixedPrompt<Depth>, Sgd>;
  using Settings = typename Base::Settings;
  static constexpr std::string_view paper = "Jia et al., Visual Prompt Tuning, ECCV 2022, arXiv:2203.12119";

  [[nodiscard]] static Settings standard() { return with(5, 0.01, 48); }
  /// pilot-*: the rates that PILOT learns the first task with.
  [[nodiscard]] static std::vector<Published<Settings>> published() { return {{"pilot-cifar100", with(5, 0.01, 48)}, {"pilot-imagenet-r", with(30, 0.05, 24)}}; }

 private:
  static Settings with(Index length, double rate, Index batch) {
    Settings settings;
    settings.prompt.length = length;
    settings.prompt.initial = PromptInit::xavier;
    settings.head.initial = InitialRows::fan_out;
    settings.protocol = Base::constant_rate(20, batch, rate, 0.0);
    settings.protocol.training.curve = RateCurve::cosine;
    settings.protocol.training.weight_decay = 5e-4;
    return settings;
  }
};

}  // namespace accrete::method::detail
