#pragma once

#include <accrete/method/detail/aper.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/tuning/frozen.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// APER with a prompt in front of the first block, learned on the first task.
/// @source Zhou et al., IJCV 2024, arXiv:2303.07338; Jia et al., "Visual Prompt Tuning", ECCV 2022, arXiv:2203.12119
struct AperVptShallow : detail::Aper<Frozen, FixedPrompt<Shallow>> {
  static constexpr std::string_view name = "aper-vpt-shallow";
  static constexpr std::string_view summary = "published features beside those under a shallow prompt learned on the first task, class means, nearest by cosine";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return published_for(published(), "cifar100"); }
  /// By data set, as in the authors' release, for weights pre-trained on ImageNet-21k; pilot-*: as in PILOT, for weights fine-tuned on ImageNet-1k.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    auto all = same_for_all({.protocol = detail::first_task(20, 0.01, 48)});
    all.push_back({"pilot-cifar100", {.protocol = detail::first_task(20, 0.01, 48)}});
    // The published configuration asks for a deep prompt of a network without prompts and stops; shallow is what its name says.
    all.push_back({"pilot-imagenet-r", {.prompt = {.length = 30}, .protocol = detail::first_task(20, 0.03, 24, 5e-3)}});
    return all;
  }
};

}  // namespace accrete::method
