#pragma once

#include <accrete/method/detail/aper.hpp>
#include <accrete/tuning/full.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// APER with the whole network fine-tuned on the first task.
/// @source Zhou et al., IJCV 2024, arXiv:2303.07338
struct AperFinetune : detail::Aper<Full, NoPrompt> {
  static constexpr std::string_view name = "aper-finetune";
  static constexpr std::string_view summary = "published features beside those of a network fine-tuned on the first task, class means, nearest by cosine";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return published_for(published(), "cifar100"); }
  /// By data set, as in the authors' release, for weights pre-trained on ImageNet-21k; pilot-*: as in PILOT, for weights fine-tuned on ImageNet-1k.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    auto all = same_for_all({.protocol = detail::first_task(5, 0.01, 128)});
    all.push_back({"pilot-cifar100", {.protocol = detail::first_task(6, 0.01, 128, 0.05)}});
    all.push_back({"pilot-imagenet-r", {.protocol = detail::first_task(5, 0.01, 144, 5e-3)}});
    return all;
  }
};

}  // namespace accrete::method
