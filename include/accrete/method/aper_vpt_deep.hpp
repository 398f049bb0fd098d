#pragma once

#include <accrete/method/detail/aper.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/tuning/frozen.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// APER with a prompt in front of every block, learned on the first task.
/// @source Zhou et al., IJCV 2024, arXiv:2303.07338; Jia et al., "Visual Prompt Tuning", ECCV 2022, arXiv:2203.12119
struct AperVptDeep : detail::Aper<Frozen, FixedPrompt<Deep>> {
  static constexpr std::string_view name = "aper-vpt-deep";
  static constexpr std::string_view summary = "published features beside those under prompts in every block learned on the first task, class means, nearest by cosine";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return published_for(published(), "cifar100"); }
  /// By data set, as in the authors' release, for weights pre-trained on ImageNet-21k; pilot-*: as in PILOT, for weights fine-tuned on ImageNet-1k.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    auto all = same_for_all({.protocol = detail::first_task(5, 0.05, 16)});
    replace(all, "objectnet", {.protocol = detail::first_task(20, 0.01, 128)});
    replace(all, "omnibenchmark", {.protocol = detail::first_task(20, 0.01, 48)});
    all.push_back({"pilot-cifar100", {.protocol = detail::first_task(20, 0.01, 48)}});
    all.push_back({"pilot-imagenet-r", {.prompt = {.length = 30}, .protocol = detail::first_task(20, 0.05, 24)}});
    return all;
  }
};

}  // namespace accrete::method
