#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/learner.hpp>

#include <cstdint>
#include <string_view>
#include <utility>

namespace accrete::method {

/// SimpleCIL: class means of frozen features, compared by cosine.
/// @source Zhou et al., "Revisiting Class-Incremental Learning with Pre-Trained Models", IJCV 2024, arXiv:2303.07338
struct SimpleCil {
  static constexpr std::string_view name = "simplecil";
  static constexpr std::string_view summary = "class means of frozen features, nearest by cosine";
  static constexpr std::string_view paper = "Zhou et al., Revisiting Class-Incremental Learning with Pre-Trained Models, IJCV 2024, arXiv:2303.07338";

  template <class Backbone = Vit<>>
  using Learner = accrete::Learner<Backbone, NoPrompt, PrototypeHead, NoMerge, StatisticsOnly>;
  using Settings = PrototypeHead;

  template <class Backbone>
  [[nodiscard]] static Learner<Backbone> compose(Backbone backbone, Settings settings = {}, std::uint64_t /*seed*/ = 0) {
    return Learner<Backbone>(std::move(backbone), {}, settings);
  }
};

}  // namespace accrete::method
