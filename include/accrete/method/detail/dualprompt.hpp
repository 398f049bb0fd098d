#pragma once

#include <accrete/method/detail/prompted.hpp>
#include <accrete/prompt/key_query.hpp>

#include <string_view>
#include <vector>

namespace accrete::method::detail {

/// DualPrompt by who decides which expert prompts a picture gets.
/// @tparam Scope  Instance or BatchVote;  @tparam Placement  Prefix, or PilotPrefix
template <class Scope, class Placement = Prefix>
struct DualpromptIn : Prompted<GeneralExpertPrompt<LearnedKeys, Scope, GrowingPool, Placement>> {
  using Base = Prompted<GeneralExpertPrompt<LearnedKeys, Scope, GrowingPool, Placement>>;
  using Settings = typename Base::Settings;
  static constexpr std::string_view paper = "Wang et al., DualPrompt: Complementary Prompting for Rehearsal-free Continual Learning, ECCV 2022, arXiv:2204.04799";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return with(5, 1.0, Base::constant_rate(5, 24, 0.0028125, 1.0)); }
  /// By data set: cifar100, imagenet-r as in the authors' release for weights pre-trained on ImageNet-21k; pilot-*: as in PILOT.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    auto const pilot = [](Index epochs) {
      Settings settings = with(5, 0.1, Base::constant_rate(epochs, 24, 0.001, 0.0));
      settings.prompt.initial = {.low = -1.0, .high = 1.0};
      settings.head.initial = InitialRows::normal;
      return settings;
    };
    return {{"cifar100", standard()}, {"imagenet-r", with(20, 1.0, Base::constant_rate(50, 24, 0.00046875, 1.0))}, {"pilot-cifar100", pilot(5)}, {"pilot-imagenet-r", pilot(10)}};
  }

 private:
  static Settings with(Index expert_length, double pull, typename Base::Protocol const& protocol) {
    Settings settings;
    settings.prompt.pool = 10;
    settings.prompt.placement.length = expert_length;
    settings.prompt.placement.first = 2;
    settings.prompt.placement.blocks = 3;
    settings.prompt.general.placement = {.length = 5, .first = 0, .blocks = 2};
    settings.prompt.keys.pull = pull;
    settings.head.initial = InitialRows::zeros;
    settings.protocol = protocol;
    return settings;
  }
};

}  // namespace accrete::method::detail
