#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/aligned.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/learner.hpp>
#include <accrete/method/detail/slow_training.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/full.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::method {

/// SLCA: the whole network learns every task slowly, its head on the new classes alone; then the head is weighed anew on features drawn from a normal distribution of each class.
/// @source Zhang et al., "SLCA: Slow Learner with Classifier Alignment for Continual Learning on a Pre-trained Model", ICCV 2023, arXiv:2303.05118
struct Slca {
  static constexpr std::string_view name = "slca";
  static constexpr std::string_view summary = "the whole network learns every task slowly; then the head is aligned on features drawn from each class's normal distribution";
  static constexpr std::string_view paper = "Zhang et al., SLCA: Slow Learner with Classifier Alignment for Continual Learning on a Pre-trained Model, ICCV 2023, arXiv:2303.05118";

  /// What the release does to the network before the first task.
  struct Start {
    bool reset_final_norm = false;  ///< the last norm begins with scale 1 and shift 0, and is learned from there

    [[nodiscard]] static std::vector<Setting<Start>> settings() {
      return {
          choice_setting("reset-final-norm", "begin with a fresh last norm, as the release does", &Start::reset_final_norm, std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}})};
    }
  };

  using Protocol = GradientProtocol<Trains::every_task, Competing::of_task>;
  using Settings = MethodSettings<Full, NoPrompt, AlignedHead<LinearHead>, Protocol, Start>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Vit<Full>, NoPrompt, AlignedHead<LinearHead>, NoMerge, Protocol>;

  /// Those of CIFAR-100 in the release, with the published last norm.
  [[nodiscard]] static Settings standard() { return with(20, 18, 128, 5, false); }
  /// By data set, as in the authors' release for weights pre-trained on ImageNet-21k; pilot-*: as in PILOT.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    Settings cars = with(50, 40, 128, 5, true);
    cars.head.alignment.temperature = 0.05;
    return {{"cifar100", with(20, 18, 128, 5, true)},       {"imagenet-r", with(50, 40, 128, 5, true)},     {"cub200", with(50, 40, 128, 5, true)}, {"cars", cars},
            {"pilot-cifar100", with(20, 18, 64, 3, false)}, {"pilot-imagenet-r", with(5, 40, 64, 3, false)}};
  }

  /// @param[in] seed  draws the head, the order and augmentation of the pictures, and the features of the alignment
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    Vit<Full> network(trunk, drawn.tuning, Settings::tuning_key(seed));
    if (drawn.joining.reset_final_norm) { network.assign(with_fresh_norm(network.parameters())); }
    return Learner<Trunk>(std::move(network), drawn.prompt, drawn.head, {}, drawn.protocol);
  }

 private:
  static Settings with(Index epochs, Index milestone, Index batch, Index alignment_epochs, bool fresh_norm) {
    Settings settings;
    settings.protocol.training = detail::slow_training(epochs, milestone, batch);
    settings.head.alignment.epochs = alignment_epochs;
    settings.joining.reset_final_norm = fresh_norm;
    return settings;
  }

  static ParameterStore<float> with_fresh_norm(ParameterStore<float> parameters) {
    for (std::string const norm : {"norm", "fc_norm"}) {
      if (!parameters.contains(norm + ".weight")) { continue; }
      auto const scale = parameters.view<1>(norm + ".weight");
      auto const shift = parameters.view<1>(norm + ".bias");
      std::fill(scale.begin(), scale.end(), 1.0F);
      std::fill(shift.begin(), shift.end(), 0.0F);
    }
    return parameters;
  }
};

}  // namespace accrete::method
