#include "prompt/placed.hpp"

#include <accrete/method/coda_prompt.hpp>
#include <accrete/method/dap.hpp>
#include <accrete/method/dualprompt.hpp>
#include <accrete/method/l2p.hpp>
#include <accrete/method/reproduction/dualprompt_pilot.hpp>
#include <accrete/method/vpt_deep.hpp>
#include <accrete/method/vpt_shallow.hpp>

#include <doctest/doctest.h>

#include <tuple>

/// Settings by data set, as the protocol tables of prompt-methods.md have them, and how many numbers they make in a ViT-B/16.
namespace accrete::test::prompt_settings_test {

namespace {

constexpr PromptPlace vit_b{.depth = 12, .tokens = 197, .width = 768, .patch_inputs = 768};

/// Numbers of a prompt after so many tasks.
template <class Prompt>
Index numbers(Prompt const& prompt, Index tasks) {
  Placed<Prompt> const placed(prompt, vit_b, tasks);
  Index count = 0;
  for (auto const& segment : placed.state.parameters().segments()) { count += segment.elements(); }
  return count;
}

template <class Protocol>
void check_steps(Protocol const& protocol, Index epochs, Index batch, double rate, double clip) {
  CHECK(protocol.training.epochs == epochs);
  CHECK(protocol.training.batch == batch);
  CHECK(protocol.training.rate == doctest::Approx(rate));
  CHECK(protocol.training.clip == clip);
}

}  // namespace

TEST_CASE("L2P's settings: a rate of 0.03 B / 256, prompts and head from zero on, a clip of 1") {
  auto const ours = method::L2p::standard();
  CHECK(numbers(ours.prompt, 1) == 84480);
  CHECK(ours.prompt.selector.count == 4);
  CHECK(ours.prompt.keys.pull == 1.0);
  CHECK(ours.prompt.initial.low == 0.0);
  CHECK(ours.prompt.initial.high == 0.01);
  CHECK(ours.head.initial == InitialRows::zeros);
  CHECK(ours.protocol.training.curve == RateCurve::constant);
  CHECK(ours.protocol.training.weight_decay == 0.0);
  CHECK(ours.protocol.training.augmentation.resized.least_area == 0.05);
  check_steps(ours.protocol, 5, 128, 0.03 * 128.0 / 256.0, 1.0);

  for (auto const& [name, epochs, batch] : {std::tuple{"pilot-cifar100", 5, 16}, {"pilot-imagenet-r", 10, 32}}) {
    auto const pilot = published_for(method::L2p::published(), name);
    CHECK(numbers(pilot.prompt, 1) == 46080);  // the paper's number
    CHECK(pilot.prompt.selector.count == 5);
    CHECK(pilot.prompt.keys.pull == 0.1);
    CHECK(pilot.prompt.initial.low == -1.0);
    CHECK(pilot.prompt.initial.high == 1.0);
    CHECK(pilot.head.initial == InitialRows::normal);
    check_steps(pilot.protocol, epochs, batch, 0.001875, 0.0);
  }
}

TEST_CASE("DualPrompt's settings: general rows in blocks 0 and 1, expert rows in 2, 3 and 4, copies of prompts alone") {
  auto const ours = method::Dualprompt::standard();
  CHECK(numbers(ours.prompt, 10) == 15360 + 230400 + 7680);
  CHECK(ours.prompt.general.placement.first == 0);
  CHECK(ours.prompt.general.placement.blocks == 2);
  CHECK(ours.prompt.placement.first == 2);
  CHECK(ours.prompt.placement.blocks == 3);
  CHECK(ours.prompt.selector.count == 1);
  CHECK(ours.prompt.selector.copy_prompts);
  CHECK_FALSE(ours.prompt.selector.copy_keys);
  CHECK(ours.prompt.keys.pull == 1.0);
  CHECK(ours.head.initial == InitialRows::zeros);
  check_steps(ours.protocol, 5, 24, 0.03 * 24.0 / 256.0, 1.0);
  auto const renditions = published_for(method::Dualprompt::published(), "imagenet-r");
  CHECK(renditions.prompt.placement.length == 20);
  CHECK(renditions.prompt.general.placement.length == 5);
  check_steps(renditions.protocol, 50, 24, 0.005 * 24.0 / 256.0, 1.0);
  auto const pilot = method::DualpromptPilot::standard();
  CHECK(pilot.prompt.keys.pull == 0.1);
  CHECK(pilot.prompt.initial.low == -1.0);
  check_steps(pilot.protocol, 5, 24, 1e-3, 0.0);
}

TEST_CASE("CODA-Prompt's settings: its own curve, incomplete batches dropped, neither clip nor decay nor a term that keeps rows apart") {
  auto const ours = method::CodaPrompt::standard();
  CHECK(10 * numbers(ours.prompt, 1) == 3840000);
  CHECK(ours.prompt.placement.first == 0);
  CHECK(ours.prompt.orthogonality == 0.0);
  CHECK(ours.prompt.start == ComponentStart::exact);
  CHECK(ours.head.initial == InitialRows::uniform);
  CHECK(ours.protocol.training.curve == RateCurve::coda);
  CHECK(ours.protocol.training.drop_last);
  auto once = ours.protocol.training;
  once.epochs = 1;  // the curve divides by one epoch less
  CHECK(once.schedule().rate(0) == once.rate);
  CHECK(ours.protocol.training.weight_decay == 0.0);
  CHECK(ours.protocol.training.augmentation.resized.least_area == 0.08);
  check_steps(ours.protocol, 20, 128, 1e-3, 0.0);
  check_steps(published_for(method::CodaPrompt::published(), "imagenet-r").protocol, 50, 128, 1e-3, 0.0);
  check_steps(published_for(method::CodaPrompt::published(), "domainnet").protocol, 5, 128, 1e-3, 0.0);
  CHECK(published_for(method::CodaPrompt::published(), "domainnet").prompt.per_task == 20);  // 100 of five tasks
}

TEST_CASE("DAP's settings: the largest mean square, a pull of 128 times the release's, pictures as they are") {
  auto const ours = method::Dap::standard();
  CHECK(numbers(ours.prompt, 10) == 363376);
  auto large = ours.prompt;
  large.length = 30;
  large.embedding_width = 64;
  CHECK(numbers(large, 10) == 1296112);
  CHECK(ours.prompt.pull == doctest::Approx(12.8));
  CHECK_FALSE(ours.prompt.sum_pull);
  CHECK_FALSE(ours.prompt.skip_last);
  CHECK(ours.prompt.initial == DownInit::zeros);
  CHECK(ours.head.initial == InitialRows::fan_out);
  CHECK(ours.head.fan_out == 100);
  CHECK(ours.protocol.optimizer.amsgrad);
  CHECK(ours.protocol.optimizer.beta1 == 0.9);
  CHECK(ours.protocol.optimizer.beta2 == 0.9);
  CHECK(ours.protocol.training.augmentation.cropping == Cropping::evaluation);
  CHECK(ours.protocol.training.augmentation.flip == 0.0);
  CHECK(ours.protocol.training.curve == RateCurve::constant);
  CHECK(ours.protocol.training.weight_decay == 0.0);
  check_steps(ours.protocol, 5, 128, 0.01, 1.0);
  auto const scenes = published_for(method::Dap::published(), "resisc45");
  CHECK(scenes.prompt.pull == doctest::Approx(64.0));
  CHECK(scenes.head.fan_out == 45);
  check_steps(scenes.protocol, 30, 128, 0.01, 1.0);
  check_steps(published_for(method::Dap::published(), "pets").protocol, 30, 128, 0.01, 1.0);
}

TEST_CASE("VPT's settings: rows as the authors draw them, a cosine over twenty epochs") {
  auto const ours = method::VptDeep::standard();
  CHECK(numbers(ours.prompt, 1) == 46080);
  CHECK(numbers(method::VptShallow::standard().prompt, 1) == 3840);
  CHECK(ours.prompt.initial == PromptInit::xavier);
  CHECK(ours.head.initial == InitialRows::fan_out);
  CHECK(ours.protocol.training.curve == RateCurve::cosine);
  CHECK(ours.protocol.training.weight_decay == 5e-4);
  CHECK(ours.protocol.optimizer.momentum == 0.9);
  check_steps(ours.protocol, 20, 48, 0.01, 0.0);
  auto const renditions = published_for(method::VptDeep::published(), "pilot-imagenet-r");
  CHECK(renditions.prompt.length == 30);
  check_steps(renditions.protocol, 20, 24, 0.05, 0.0);
}

}  // namespace accrete::test::prompt_settings_test
