#pragma once

#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/backbone/vit.hpp>
#include <accrete/head/routed.hpp>
#include <accrete/learner.hpp>
#include <accrete/merge/pull_to_mean.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/train/loss/orthogonal_cross_entropy.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace accrete::method {

/// MOS: an adapter for each task that goes on from the last one and is pulled towards the mean of all before, one aligned head, and a choice of the adapter at test that corrects itself.
/// @source Sun et al., "MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning", AAAI 2025, arXiv:2412.09441
struct Mos {
  static constexpr std::string_view name = "mos";
  static constexpr std::string_view summary = "an adapter per task, pulled towards the mean of earlier ones, an aligned head, and at test a choice of the adapter that corrects itself";
  static constexpr std::string_view paper = "Sun et al., MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning, AAAI 2025, arXiv:2412.09441";

  using Head = RoutedHead<AlignedHead<LinearHead>>;
  using Protocol = GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, OrthogonalCrossEntropy>;
  using Settings = MethodSettings<Bottleneck, NoPrompt, Head, Protocol, NothingToSet, PullToMean>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<TuningBank<Vit<Bottleneck>>, NoPrompt, Head, PullToMean, Protocol>;

  [[nodiscard]] static Settings standard() { return with(20, 0.03, 48, 5e-4); }
  /// By data set, as in the authors' release, for weights pre-trained on ImageNet-1k and -21k alike.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    Settings imagenet_a = with(10, 0.05, 32, 5e-3);
    imagenet_a.head.head.moments = SecondMoment::diagonal;
    return {{"cifar100", standard()},
            {"cub200", with(10, 0.01, 32, 5e-4)},
            {"imagenet-a", imagenet_a},
            {"imagenet-r", with(10, 0.05, 16, 5e-3)},
            {"objectnet", with(10, 0.05, 48, 5e-3)},
            {"omnibenchmark", with(10, 0.01, 16, 5e-4)},
            {"vtab", with(20, 0.03, 32, 5e-3)}};
  }

  /// @param[in] seed  draws the first adapter, the head, the order and augmentation of the pictures, and the features of the alignment
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>({trunk, drawn.tuning, seed, BankStart::previous}, drawn.prompt, drawn.head, drawn.merge, drawn.protocol);
  }

 private:
  static Settings with(Index epochs, double rate, Index batch, double weight_decay) {
    Settings settings;
    settings.tuning.width = 16;
    settings.protocol.training.epochs = epochs;
    settings.protocol.training.rate = rate;
    settings.protocol.training.head_factor = 0.1;
    settings.protocol.training.batch = batch;
    settings.protocol.training.weight_decay = weight_decay;
    settings.head.head.rows = AlignedRows::kept;
    settings.head.head.alignment = {.epochs = 30, .rows = 5 * batch, .rate = 0.005, .weight_decay = weight_decay, .temperature = 0.0, .shrinkage = MeanShrinkage::none};
    return settings;
  }
};

}  // namespace accrete::method
