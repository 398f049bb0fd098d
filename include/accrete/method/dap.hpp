#pragma once

#include <accrete/method/detail/prompted.hpp>
#include <accrete/prompt/generated.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// DAP: prompts generated in front of every block out of the tokens that reach it, modulated by an embedding of the task a picture looks like.
/// @source Jung et al., "Generating Instance-level Prompts for Rehearsal-free Continual Learning", ICCV 2023; each picture chooses its task alone, and every task
/// begins with a fresh optimiser; the release votes over the test batch and goes on with the old one
struct Dap : detail::Prompted<GeneratedPrompt<>> {
  static constexpr std::string_view name = "dap";
  static constexpr std::string_view summary = "prompts generated in every block from its tokens, modulated by the embedding of the task a picture looks like, under a linear head";
  static constexpr std::string_view paper = "Jung et al., Generating Instance-level Prompts for Rehearsal-free Continual Learning, ICCV 2023";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return with(5, 12.8, 100); }
  /// By data set, as in the authors' release.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    return {{"cifar100", with(5, 12.8, 100)}, {"domainnet", with(5, 12.8, 345)}, {"cropdisease", with(5, 12.8, 35)}, {"eurosat", with(5, 12.8, 10)},
            {"pets", with(30, 12.8, 35)},     {"isic", with(30, 12.8, 6)},       {"chestx", with(30, 12.8, 6)},      {"resisc45", with(30, 64.0, 45)}};
  }

 private:
  static Settings with(Index epochs, double pull, Index classes) {
    Settings settings;
    settings.prompt.pull = pull;
    settings.head.initial = InitialRows::fan_out;
    settings.head.fan_out = classes;
    settings.protocol = constant_rate(epochs, 128, 0.01, 1.0);
    settings.protocol.training.augmentation = Augmentation::none();
    settings.protocol.optimizer.beta1 = 0.9;
    settings.protocol.optimizer.beta2 = 0.9;
    settings.protocol.optimizer.amsgrad = true;
    return settings;
  }
};

}  // namespace accrete::method
