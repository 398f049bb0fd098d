#pragma once

#include <accrete/method/detail/prompted.hpp>
#include <accrete/prompt/key_query.hpp>

#include <string_view>
#include <vector>

namespace accrete::method::detail {

/// L2P by who decides which prompts a picture gets.
/// @tparam Scope  Instance or BatchVote;  @tparam Selector  TopK or FrequencyPenalty
template <class Scope, class Selector = TopK>
struct L2pIn : Prompted<KeyQueryPrompt<InputTokens<ReadsPrompt>, Selector, LearnedKeys, Scope>> {
  using Base = Prompted<KeyQueryPrompt<InputTokens<ReadsPrompt>, Selector, LearnedKeys, Scope>>;
  using Settings = typename Base::Settings;
  static constexpr std::string_view paper = "Wang et al., Learning to Prompt for Continual Learning, CVPR 2022, arXiv:2112.08654";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return with(10, 10, 4, 1.0, Base::constant_rate(5, 128, 0.015, 1.0)); }
  /// By data set: cifar100 as in the authors' release for weights pre-trained on ImageNet-21k; pilot-*: as in PILOT.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    auto const pilot = [](Index epochs, Index batch) {
      Settings settings = with(10, 5, 5, 0.1, Base::constant_rate(epochs, batch, 0.001875, 0.0));
      settings.prompt.initial = {.low = -1.0, .high = 1.0};
      settings.head.initial = InitialRows::normal;
      return settings;
    };
    return {{"cifar100", standard()}, {"pilot-cifar100", pilot(5, 16)}, {"pilot-imagenet-r", pilot(10, 32)}};
  }

 private:
  static Settings with(Index pool, Index length, Index select, double pull, typename Base::Protocol const& protocol) {
    Settings settings;
    settings.prompt.pool = pool;
    settings.prompt.placement.length = length;
    settings.prompt.selector.count = select;
    settings.prompt.keys.pull = pull;
    settings.head.initial = InitialRows::zeros;
    settings.protocol = protocol;
    return settings;
  }
};

}  // namespace accrete::method::detail
