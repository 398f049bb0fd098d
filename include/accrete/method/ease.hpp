#pragma once

#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/backbone/vit.hpp>
#include <accrete/head/cosine.hpp>
#include <accrete/head/subspace.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace accrete::method {

/// EASE: fresh adapters for every task, class means in the features of each, and for classes that came before an adapter, means put together from similar new classes.
/// @source Zhou et al., "Expandable Subspace Ensemble for Pre-Trained Model-Based Class-Incremental Learning", CVPR 2024, arXiv:2403.12030
struct Ease {
  static constexpr std::string_view name = "ease";
  static constexpr std::string_view summary = "fresh adapters for every task, class means in the features of each, and missing means completed by similarity";
  static constexpr std::string_view paper = "Zhou et al., Expandable Subspace Ensemble for Pre-Trained Model-Based Class-Incremental Learning, CVPR 2024, arXiv:2403.12030";

  using Protocol = GradientProtocol<Trains::every_task, Competing::of_task, TemporaryHead<CosineHead>>;
  using Settings = MethodSettings<Bottleneck, NoPrompt, SubspaceHead, Protocol>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<TuningBank<Vit<Bottleneck>>, NoPrompt, SubspaceHead, NoMerge, Protocol>;

  [[nodiscard]] static Settings standard() { return with(20, 0.025, 48, 5e-4, 0.1); }
  /// By data set, as in the authors' release for weights pre-trained on ImageNet-21k. That of ObjectNet is published with SGD; OmniBenchmark's mode, which imitates APER, is not among them.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    Settings vtab = with(45, 0.03, 16, 5e-3, 0.1);
    vtab.tuning.width = 16;
    return {{"cifar100", standard()},
            {"imagenet-r", with(20, 0.05, 16, 5e-3, 0.1)},
            {"imagenet-a", with(20, 0.05, 32, 5e-3, 0.1)},
            {"cub200", with(20, 0.008, 32, 5e-4, 0.05)},
            {"objectnet", with(25, 0.05, 48, 5e-3, 0.2)},
            {"vtab", vtab}};
  }

  /// @param[in] seed  draws the adapters, the temporary heads, and the order and augmentation of the pictures
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>({trunk, drawn.tuning, seed}, drawn.prompt, drawn.head, {}, drawn.protocol);
  }

 private:
  static Settings with(Index epochs, double rate, Index batch, double weight_decay, double alpha) {
    Settings settings;
    settings.protocol.training.epochs = epochs;
    settings.protocol.training.rate = rate;
    settings.protocol.training.batch = batch;
    settings.protocol.training.weight_decay = weight_decay;
    settings.head.alpha = alpha;
    return settings;
  }
};

}  // namespace accrete::method
