#pragma once

#include <accrete/method/detail/aper.hpp>
#include <accrete/tuning/ssf.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// APER with scales and shifts behind every layer, learned on the first task.
/// @source Zhou et al., IJCV 2024, arXiv:2303.07338; Lian et al., "Scaling & Shifting Your Features", NeurIPS 2022, arXiv:2210.08823
struct AperSsf : detail::Aper<Ssf, NoPrompt> {
  static constexpr std::string_view name = "aper-ssf";
  static constexpr std::string_view summary = "published features beside those of scales and shifts learned on the first task, class means, nearest by cosine";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return published_for(published(), "cifar100"); }
  /// By data set, as in the authors' release, for weights pre-trained on ImageNet-21k; pilot-*: as in PILOT, for weights fine-tuned on ImageNet-1k.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    auto all = same_for_all({.protocol = detail::first_task(20, 0.01, 48)});
    all.push_back({"pilot-cifar100", {.protocol = detail::first_task(20, 0.01, 48)}});
    all.push_back({"pilot-imagenet-r", {.protocol = detail::first_task(20, 0.01, 48)}});
    return all;
  }
};

}  // namespace accrete::method
