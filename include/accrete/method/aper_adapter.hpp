#pragma once

#include <accrete/method/detail/aper.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// APER with adapters: bottlenecks beside the MLPs, learned on the first task.
/// @source Zhou et al., IJCV 2024, arXiv:2303.07338; Chen et al., "AdaptFormer", NeurIPS 2022, arXiv:2205.13535
struct AperAdapter : detail::Aper<Bottleneck, NoPrompt> {
  static constexpr std::string_view name = "aper-adapter";
  static constexpr std::string_view summary = "published features beside those of adapters learned on the first task, class means, nearest by cosine";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return published_for(published(), "cifar100"); }
  /// By data set, as in the authors' release, for weights pre-trained on ImageNet-21k; pilot-*: as in PILOT, for weights fine-tuned on ImageNet-1k.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    auto all = same_for_all({.protocol = detail::first_task(20, 0.01, 48)});
    replace(all, "imagenet-r", {.protocol = detail::first_task(20, 0.05, 24, 5e-3)});
    all.push_back({"pilot-cifar100", {.protocol = detail::first_task(20, 0.01, 48)}});
    all.push_back({"pilot-imagenet-r", {.protocol = detail::first_task(10, 0.05, 16, 5e-3)}});
    return all;
  }
};

}  // namespace accrete::method
