#pragma once

#include "files.hpp"
#include "golden.hpp"
#include "pictures.hpp"

#include <accrete/backbone/concat.hpp>
#include <accrete/backbone/vit.hpp>
#include <accrete/head/cosine.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/learner.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/bottleneck.hpp>
#include <accrete/tuning/full.hpp>

#include <type_traits>

/// Learners of every kind on the small golden network, with little to do.
namespace accrete::test {

using FirstTask = GradientProtocol<Trains::first_task, Competing::of_task, TemporaryHead<CosineHead>>;
using Adapted = Learner<Concat<Vit<>, Vit<Bottleneck>>, NoPrompt, PrototypeHead, NoMerge, FirstTask>;
using WithPrompts = Learner<Concat<Vit<>, Vit<>>, FixedPrompt<Deep>, PrototypeHead, NoMerge, FirstTask>;
using Tuned = Learner<Vit<Full>, NoPrompt, LinearHead, NoMerge, GradientProtocol<Trains::every_task, Competing::of_task>>;
using Probe = Learner<Vit<>, NoPrompt, LinearHead, NoMerge, GradientProtocol<Trains::every_task, Competing::seen>>;
using Plain = Learner<Vit<>, NoPrompt, PrototypeHead>;

[[nodiscard]] inline Vit<> small_vit() { return Vit<>::load(golden_path("vit/plain.weights.safetensors"), {.heads = 3, .image_height = 32}); }

template <class Method>
[[nodiscard]] Method started(Index epochs = 2, double rate = 0.05) {
  Vit<> const trunk = small_vit();
  RngKey const key{.seed = 3, .purpose = Purpose::initialisation};
  auto const training = [&](auto protocol) {
    protocol.training.epochs = epochs;
    protocol.training.rate = rate;
    protocol.training.batch = 5;
    return protocol;
  };
  if constexpr (std::is_same_v<Method, Adapted>) {
    return Adapted({trunk, Vit<Bottleneck>(trunk, {.width = 8}, key)}, {}, {}, {}, training(FirstTask{}));
  } else if constexpr (std::is_same_v<Method, WithPrompts>) {
    return WithPrompts({trunk, trunk}, {.length = 3, .initial = PromptInit::xavier}, {}, {}, training(FirstTask{}));
  } else if constexpr (std::is_same_v<Method, Tuned>) {
    return Tuned(Vit<Full>(trunk, {}, key), {}, {}, {}, training(GradientProtocol<Trains::every_task, Competing::of_task>{}));
  } else if constexpr (std::is_same_v<Method, Probe>) {
    return Probe(trunk, {}, {}, {}, training(GradientProtocol<Trains::every_task, Competing::seen>{}));
  } else {
    return Plain(trunk);
  }
}

[[nodiscard]] inline Examples first_task() { return striped_pictures({"ant", "bee", "cat"}, 6, 1); }
[[nodiscard]] inline Examples second_task() { return striped_pictures({"dog", "elk"}, 5, 2); }

/// Pictures of all classes of the first two tasks that nobody has learned.
[[nodiscard]] inline Examples unseen_pictures() { return striped_pictures({"elk", "ant", "cat", "dog", "bee"}, 4, 9); }

/// Everything a learner has learned, as it lies in a model file.
template <class AnyLearner>
[[nodiscard]] std::string model_bytes(AnyLearner const& learner, std::filesystem::path const& file) {
  learner.save(file);
  return read_file(file);
}

}  // namespace accrete::test
