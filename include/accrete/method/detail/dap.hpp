#pragma once

#include <accrete/method/detail/prompted.hpp>
#include <accrete/prompt/generated.hpp>

#include <string_view>
#include <vector>

namespace accrete::method::detail {

/// DAP by who decides which task a picture is taken for.
/// @tparam Scope  Instance or BatchVote
template <class Scope>
struct DapIn : Prompted<GeneratedPrompt<Scope>> {
  using Base = Prompted<GeneratedPrompt<Scope>>;
  using Settings = typename Base::Settings;
  static constexpr std::string_view paper = "Jung et al., Generating Instance-level Prompts for Rehearsal-free Continual Learning, ICCV 2023";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return with(5, 0.1, 100); }
  /// By data set, as in the authors' release.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    return {{"cifar100", with(5, 0.1, 100)}, {"domainnet", with(5, 0.1, 345)}, {"cropdisease", with(5, 0.1, 35)}, {"eurosat", with(5, 0.1, 10)},
            {"pets", with(30, 0.1, 35)},     {"isic", with(30, 0.1, 6)},       {"chestx", with(30, 0.1, 6)},      {"resisc45", with(30, 0.5, 45)}};
  }

 private:
  /// @param lambda  weight of the pull in the release, which adds it up over its batches of 128
  static Settings with(Index epochs, double lambda, Index classes) {
    constexpr Index batch = 128;
    Settings settings;
    settings.prompt.pull = static_cast<double>(batch) * lambda;
    settings.head.initial = InitialRows::fan_out;
    settings.head.fan_out = classes;
    settings.protocol = Base::constant_rate(epochs, batch, 0.01, 1.0);
    settings.protocol.training.augmentation = Augmentation::none();
    settings.protocol.optimizer.beta1 = 0.9;
    settings.protocol.optimizer.beta2 = 0.9;
    settings.protocol.optimizer.amsgrad = true;
    return settings;
  }
};

}  // namespace accrete::method::detail
