#pragma once

#include <accrete/head/aligned.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/method/detail/tuned.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/train/loss/reverse_cross_entropy.hpp>
#include <accrete/tuning/lora.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// SLCA++: SLCA with low-rank parts, norms and biases in place of the whole network, a loss with the labels' and the predictions' places changed, and drawn features that age.
/// @source Zhang et al., "SLCA++: Unleash the Power of Sequential Fine-tuning for Continual Learning with Pre-training", arXiv:2408.08295
struct SlcaPlusPlus : detail::Tuned<Lora, NoPrompt, AlignedHead<LinearHead>, GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, SymmetricCrossEntropy>> {
  static constexpr std::string_view name = "slca-plus-plus";
  static constexpr std::string_view summary = "low-rank parts, norms and biases learn every task slowly under a symmetric cross-entropy; then the head is aligned on drawn features";
  static constexpr std::string_view paper = "Zhang et al., SLCA++: Unleash the Power of Sequential Fine-tuning for Continual Learning with Pre-training, arXiv:2408.08295";

  [[nodiscard]] static Settings standard() { return with(20, 5e-4, 1.0, 0.1); }
  /// By data set, as in the authors' release for weights pre-trained on ImageNet-21k.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    Settings cars = with(50, 0.0, 0.5, 0.5);
    cars.head.alignment.temperature = 0.05;
    return {{"cifar100", standard()}, {"imagenet-r", with(50, 0.0, 0.5, 0.5)}, {"cub200", with(50, 5e-4, 1.0, 0.1)}, {"cars", cars}};
  }

 private:
  static Settings with(Index epochs, double weight_decay, double forward, double reverse) {
    Settings settings;
    settings.tuning = Lora::slca_plus_plus();
    settings.protocol.training.epochs = epochs;
    settings.protocol.training.batch = 128;
    settings.protocol.training.rate = 0.01;
    settings.protocol.training.minimum_rate = 1e-4;
    settings.protocol.training.backbone_factor = 0.5;
    settings.protocol.training.later_factor = 0.2;  // 0.1 of the base from the second task on
    settings.protocol.training.trunk_factor = 0.1;
    settings.protocol.training.weight_decay = weight_decay;
    settings.protocol.loss = {.forward = forward, .reverse = reverse};
    settings.head.alignment.shrinkage = MeanShrinkage::none;
    settings.head.alignment.ageing = 0.02;
    return settings;
  }
};

}  // namespace accrete::method
