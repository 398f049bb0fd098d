#pragma once

#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/backbone/vit.hpp>
#include <accrete/head/task_voting.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/train/loss/energy_anchor.hpp>
#include <accrete/tuning/class_attention.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace accrete::method {

/// ESN: a prompt that the first task learns, behind it a class-attention classifier for each task that sees no other, and energies at several temperatures that vote which of them answers.
/// @source Wang et al., "Isolation and Impartial Aggregation: A Paradigm of Incremental Learning without Interference", AAAI 2023, arXiv:2211.15969
struct Esn {
  static constexpr std::string_view name = "esn";
  static constexpr std::string_view summary = "a prompt of the first task, an isolated class-attention classifier per task held at one energy, and a vote of energies that says which answers";
  static constexpr std::string_view paper = "Wang et al., Isolation and Impartial Aggregation: A Paradigm of Incremental Learning without Interference, AAAI 2023, arXiv:2211.15969";

  using Head = TaskVotingHead<LinearHead, EnergyVote>;
  using Protocol = GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, EnergyAnchor>;
  using Settings = MethodSettings<ClassAttention, FixedPrompt<Shallow>, Head, Protocol>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<TuningBank<Vit<ClassAttention>>, FixedPrompt<Shallow>, Head, NoMerge, Protocol>;

  [[nodiscard]] static Settings standard() { return with(30, brightness_of_cifar); }
  /// By data set, as in the authors' release; release-*: with the prompt that goes on learning there in every task under classifiers that do not.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    Settings moving = standard();
    moving.prompt.learns = PromptLearns::every_task;
    return {{"cifar100", standard()}, {"domainnet", with(10, 0.0)}, {"core50", with(10, 0.0)}, {"5-datasets", with(10, 0.0)}, {"release-cifar100", moving}};
  }

  /// @param[in] seed  draws prompt, classifiers, and the order and augmentation of the pictures
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>({trunk, drawn.tuning, seed}, drawn.prompt, drawn.head, {}, drawn.protocol);
  }

 private:
  static constexpr double brightness_of_cifar = 63.0 / 255.0;

  static Settings with(Index epochs, double brightness) {
    Settings settings;
    settings.prompt.length = 100;
    settings.prompt.initial = PromptInit::width;
    settings.prompt.learns = PromptLearns::first_task;
    settings.head.head.initial = InitialRows::uniform;
    settings.protocol.training.epochs = epochs;
    settings.protocol.training.batch = 128;
    settings.protocol.training.rate = 0.01;
    settings.protocol.training.weight_decay = 5e-4;
    settings.protocol.training.augmentation.resized.least_area = 0.08;
    settings.protocol.training.augmentation.brightness = brightness;
    return settings;
  }
};

}  // namespace accrete::method
