// Steps of learning: forward, loss, backward, update, on one batch of made-up pictures under a cosine classifier of 100 classes.
//   accrete_bench_training --backbone FILE --tuning full|adapter|lora|ssf|vpt-deep|l2p|dualprompt|coda-prompt|dap|lae-adapter|lae-lora|lae-prefix --batch B
//                          [--precision float32|bfloat16] [--threads N] [--steps K] [--warmup W]
// The prompt methods run as published: query, prompted pass, loss of the ten classes of a first task, backward, clip, Adam.
// So does LAE, in the second task, where the average follows: pass, loss of the task's ten classes, backward, Adam, average.
// Prints one line of JSON for bench/peers/train_step.py.

#include <accrete/accrete.hpp>
#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/head/cosine.hpp>
#include <accrete/method/coda_prompt.hpp>
#include <accrete/method/dap.hpp>
#include <accrete/method/dualprompt.hpp>
#include <accrete/method/l2p.hpp>
#include <accrete/method/lae_adapter.hpp>
#include <accrete/method/lae_lora.hpp>
#include <accrete/method/lae_prefix.hpp>
#include <accrete/train/groups.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/query_source.hpp>
#include <accrete/train/sgd.hpp>
#include <accrete/tuning/bottleneck.hpp>
#include <accrete/tuning/full.hpp>
#include <accrete/tuning/lora.hpp>
#include <accrete/tuning/ssf.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace accrete;

struct Case {
  std::string backbone;
  std::string tuning = "adapter";
  Index batch = 16;
  Index steps = 5;
  Index warmup = 2;
  HostExecutor<> exec{.threads = 2};
};

constexpr Index classes = 100;
constexpr Index prompt_rows = 5;

/// @throws ValueError  for an unknown option or a value it cannot take
Case parse(std::vector<std::string> const& words) {
  Case wanted;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    std::string const& value = words[i + 1];
    auto const number = [&](Index least) { return parse_number<Index>(words[i], value, least, 1 << 20); };
    if (words[i] == "--backbone") {
      wanted.backbone = value;
    } else if (words[i] == "--tuning") {
      wanted.tuning = value;
    } else if (words[i] == "--batch") {
      wanted.batch = number(1);
    } else if (words[i] == "--steps") {
      wanted.steps = number(1);
    } else if (words[i] == "--warmup") {
      wanted.warmup = number(0);
    } else if (words[i] == "--threads") {
      wanted.exec.threads = static_cast<int>(number(1));
    } else if (words[i] == "--precision") {
      wanted.exec.precision = value_named("precision", value, {Precision::float32, Precision::bfloat16});
    } else {
      fail<ValueError>("accrete_bench_training", "there is no option ", words[i]);
    }
  }
  if (words.size() % 2 != 0 || wanted.backbone.empty()) { fail<ValueError>("accrete_bench_training", "--backbone FILE is needed, and every option has a value"); }
  return wanted;
}

/// Rows of prompts for every block, that learn.
struct DeepPrompts {
  ParameterStore<float>* store;
  ParameterStore<float>* gradients;
  Index at;

  [[nodiscard]] TokenInjection tokens(Index block) const {
    auto const rows = store->view<3>("prompts").slice(block, 1);
    return {rows, at, block == 0 ? TokenInjection::How::insert : TokenInjection::How::overwrite};
  }
  void tokens_gradient(Index block, TensorView<float const, 3> d) const { kernels::sum_tokens(HostExecutor<>{.threads = 1}, d, 0, gradients->view<3>("prompts")[block]); }
};

/// One store that learns with its momentum.
struct Learned {
  ParameterStore<float> values;
  Sgd::State<float> state;
  std::vector<ParameterUpdate> updates;

  explicit Learned(ParameterStore<float> store) : values(std::move(store)), state(Sgd{}.start(values)) {
    for (ParameterSpan const& span : values.trainable()) { updates.push_back({span, 0.01, 5e-4}); }
  }
  void step(HostExecutor<> const& exec, VectorView<float const> gradients) { Sgd{}.step(exec, state, values, gradients, updates); }
};

Tensor<float, 4> pictures(Case const& wanted, VitShape const& shape) {
  Tensor<float, 4> images({wanted.batch, shape.channels, shape.image_height, shape.image_width});
  Rng({.seed = 1}).fill_normal(0, images.view().reshaped<1>({images.size()}));
  return images;
}

std::vector<Index> classes_of(Case const& wanted, Index count) {
  std::vector<Index> labels;
  for (Index i = 0; i < wanted.batch; ++i) { labels.push_back(i % count); }
  return labels;
}

template <class Tuning>
nlohmann::json measure(Case const& wanted, Tuning const& tuning, bool prompted) {
  auto const vit = Vit<Tuning>::load(wanted.backbone, {}, tuning, 1);
  VitShape const& shape = vit.shape();
  Learned trunk(vit.parameters());
  ParameterStore<float> rows;
  rows.add({.name = "prompts", .shape = {shape.depth, prompt_rows, shape.width}, .role = "prompt", .trainable_rows = shape.depth});
  Learned prompts(std::move(rows));
  ParameterStore<float> prompt_gradients = prompts.values;
  DeepPrompts hook{&prompts.values, &prompt_gradients, shape.tokens()};
  NoHook no_hook;

  CosineHead const head;
  CosineHead::State head_state;
  head.admit(head_state, {.index = 0, .first_class = 0, .classes = classes}, shape.width);
  Learned classifier(head_state.parameters());
  ParameterStore<float> head_gradients = classifier.values;

  auto const images = pictures(wanted, shape);
  auto const labels = classes_of(wanted, classes);
  Matrix<float> features({wanted.batch, shape.width});
  Matrix<float> d_features(features.shape());
  Matrix<float> logits({wanted.batch, classes});
  Matrix<float> d_logits(logits.shape());

  VitTrainer<HostExecutor<>> trainer(wanted.exec, vit);
  nlohmann::json report{{"tuning", wanted.tuning}, {"seconds_per_step", nlohmann::json::array()}, {"loss", nlohmann::json::array()}};
  for (Index k = 0; k < wanted.warmup + wanted.steps; ++k) {
    Stopwatch const watch;
    trainer.zero_gradients();
    std::fill(prompt_gradients.values().begin(), prompt_gradients.values().end(), 0.0F);
    std::fill(head_gradients.values().begin(), head_gradients.values().end(), 0.0F);
    RngKey const dropout{.seed = 1, .purpose = Purpose::dropout, .object = static_cast<std::uint64_t>(k)};
    if (prompted) {
      trainer.forward(images.cview(), hook, features.view(), dropout);
    } else {
      trainer.forward(images.cview(), no_hook, features.view(), dropout);
    }
    head.logits(wanted.exec, classifier.values, features.cview(), logits.view());
    double const loss = CrossEntropy{}(logits.cview(), labels, {0, classes}, d_logits.view());
    head.backward(wanted.exec, classifier.values, features.cview(), d_logits.cview(), d_features.view(), head_gradients);
    if (prompted) {
      trainer.backward(d_features.cview(), hook);
    } else {
      trainer.backward(d_features.cview(), no_hook);
    }
    trunk.step(wanted.exec, trainer.gradients());
    if (prompted) { prompts.step(wanted.exec, std::as_const(prompt_gradients).values()); }
    classifier.step(wanted.exec, std::as_const(head_gradients).values());
    trainer.refresh(trunk.values);
    if (k >= wanted.warmup) { report["seconds_per_step"].push_back(watch.seconds()); }
    report["loss"].push_back(loss);
  }
  report["peak_rss_bytes"] = peak_rss_bytes();
  return report;
}

/// A step of the first of ten tasks. Rows of later classes exist and stand still.
template <class Method>
nlohmann::json measure_prompt(Case const& wanted) {
  constexpr Index of_task = classes / 10;
  auto const vit = Vit<>::load(wanted.backbone);
  VitShape const& shape = vit.shape();
  auto const settings = Method::standard().seeded(1);
  auto const& prompt = settings.prompt;
  typename std::remove_cvref_t<decltype(prompt)>::State state;
  prompt.fit_place(state, prompt_place(vit));
  prompt.begin_task(state, {.index = 0, .first_class = 0, .classes = of_task});
  LinearHead::State head_state;
  settings.head.admit(head_state, {.index = 0, .first_class = 0, .classes = of_task}, shape.width);
  settings.head.admit(head_state, {.index = 1, .first_class = of_task, .classes = classes - of_task}, shape.width);
  let_competitors_learn(head_state.parameters(), {0, of_task});

  Adam const& adam = settings.protocol.optimizer;
  LearningPart<Adam> prompt_part(adam, "prompt", state.parameters());
  LearningPart<Adam> head_part(adam, "head", head_state.parameters());
  LearningParts<Adam> const parts{&prompt_part, &head_part};
  ParameterStore<float> d_prompt = state.parameters();
  ParameterStore<float> d_head = head_state.parameters();
  auto hook = prompt.learning_hook(wanted.exec, state);
  QuerySource queries(wanted.exec, vit, prompt.first_block(state), 0);
  VitTrainer<HostExecutor<>> trainer(wanted.exec, vit, prompt.read_rows(state));
  ParameterGroup const group{.role = ""};
  ConstantRate const rate{settings.protocol.training.rate};

  auto const images = pictures(wanted, shape);
  auto const labels = classes_of(wanted, of_task);
  Matrix<float> features({wanted.batch, shape.width});
  Matrix<float> d_features(features.shape());
  Matrix<float> logits({wanted.batch, classes});
  Matrix<float> d_logits(logits.shape());
  nlohmann::json report{{"tuning", wanted.tuning}, {"seconds_per_step", nlohmann::json::array()}, {"loss", nlohmann::json::array()}};
  for (Index k = 0; k < wanted.warmup + wanted.steps; ++k) {
    Stopwatch const watch;
    std::fill(d_head.values().begin(), d_head.values().end(), 0.0F);
    hook.prepare(queries(images.cview(), {}), labels);
    trainer.forward_behind(queries.tokens(), queries.first_block(), hook, features.view(), {});
    settings.head.logits(wanted.exec, head_part.values(), features.cview(), logits.view());
    double loss = CrossEntropy{}(logits.cview(), labels, {0, of_task}, d_logits.view());
    settings.head.backward(wanted.exec, head_part.values(), features.cview(), d_logits.cview(), d_features.view(), d_head);
    loss += hook.own_loss(1.0);
    trainer.backward(d_features.cview(), hook);
    hook.collect(d_prompt);
    prompt_part.attach(std::as_const(d_prompt).values());
    head_part.attach(std::as_const(d_head).values());
    if (settings.protocol.training.clip > 0.0) { clip_together(parts, settings.protocol.training.clip); }
    for (auto* const part : parts) { part->step(wanted.exec, std::span(&group, 1), rate, 0); }
    hook.refresh(prompt_part.values());
    if (k >= wanted.warmup) { report["seconds_per_step"].push_back(watch.seconds()); }
    report["loss"].push_back(loss);
  }
  report["peak_rss_bytes"] = peak_rss_bytes();
  return report;
}

/// A step of the second of ten tasks.
template <class Method>
nlohmann::json measure_lae(Case const& wanted) {
  constexpr Index of_task = classes / 10;
  constexpr TaskInfo task{.index = 1, .first_class = of_task, .classes = of_task};
  auto const settings = Method{}.standard().seeded(1);
  Vit<std::remove_cvref_t<decltype(settings.tuning)>> const vit(Vit<>::load(wanted.backbone), settings.tuning, Method::Settings::tuning_key(1));
  VitShape const& shape = vit.shape();
  auto const& prompt = settings.prompt;
  typename std::remove_cvref_t<decltype(prompt)>::State prompt_state;
  LinearHead::State head_state;
  settings.head.head.admit(head_state, {.index = 0, .first_class = 0, .classes = of_task}, shape.width);
  settings.head.head.admit(head_state, task, shape.width);
  let_competitors_learn(head_state.parameters(), {of_task, of_task});

  auto hook = [&] {
    if constexpr (Method::by_prompt) {
      prompt.fit_place(prompt_state, prompt_place(vit));
      return prompt.learning_hook(wanted.exec, prompt_state);
    } else {
      return NoHook{};
    }
  }();
  auto const& module = [&]() -> ParameterStore<float> const& {
    if constexpr (Method::by_prompt) {
      return prompt_state.parameters();
    } else {
      return vit.parameters();
    }
  }();
  Adam const& adam = settings.protocol.optimizer;
  LearningPart<Adam> module_part(adam, "module", module);
  LearningPart<Adam> head_part(adam, "head", head_state.parameters());
  ParameterStore<float> d_module = module;
  ParameterStore<float> d_head = head_state.parameters();
  auto const& merge = settings.merge;
  typename Method::Merge::State average;
  merge.begin_task(average, module, task);
  VitTrainer<HostExecutor<>> trainer(wanted.exec, vit);
  ParameterGroup const group{.role = ""};
  ConstantRate const rate{settings.protocol.training.rate};

  auto const images = pictures(wanted, shape);
  auto labels = classes_of(wanted, of_task);
  for (Index& label : labels) { label += of_task; }
  Matrix<float> features({wanted.batch, shape.width});
  Matrix<float> d_features(features.shape());
  Matrix<float> logits({wanted.batch, 2 * of_task});
  Matrix<float> d_logits(logits.shape());
  nlohmann::json report{{"tuning", wanted.tuning}, {"seconds_per_step", nlohmann::json::array()}, {"loss", nlohmann::json::array()}};
  for (Index k = 0; k < wanted.warmup + wanted.steps; ++k) {
    Stopwatch const watch;
    trainer.zero_gradients();
    std::fill(d_head.values().begin(), d_head.values().end(), 0.0F);
    trainer.forward(images.cview(), hook, features.view(), {});
    settings.head.logits(wanted.exec, head_part.values(), features.cview(), logits.view());
    double const loss = CrossEntropy{}(logits.cview(), labels, {of_task, of_task}, d_logits.view());
    settings.head.backward(wanted.exec, head_part.values(), features.cview(), d_logits.cview(), d_features.view(), d_head);
    trainer.backward(d_features.cview(), hook);
    if constexpr (Method::by_prompt) {
      hook.collect(d_module);
      module_part.attach(std::as_const(d_module).values());
    } else {
      module_part.attach(trainer.gradients());
    }
    head_part.attach(std::as_const(d_head).values());
    module_part.step(wanted.exec, std::span(&group, 1), rate, 0);
    head_part.step(wanted.exec, std::span(&group, 1), rate, 0);
    merge.after_step(wanted.exec, average, module_part.values());
    if constexpr (Method::by_prompt) {
      hook.refresh(module_part.values());
    } else {
      trainer.refresh(module_part.values());
    }
    if (k >= wanted.warmup) { report["seconds_per_step"].push_back(watch.seconds()); }
    report["loss"].push_back(loss);
  }
  report["peak_rss_bytes"] = peak_rss_bytes();
  return report;
}

nlohmann::json run(Case const& wanted) {
  if (wanted.tuning == "lae-adapter") { return measure_lae<method::LaeAdapter>(wanted); }
  if (wanted.tuning == "lae-lora") { return measure_lae<method::LaeLora>(wanted); }
  if (wanted.tuning == "lae-prefix") { return measure_lae<method::LaePrefix>(wanted); }
  if (wanted.tuning == "l2p") { return measure_prompt<method::L2p>(wanted); }
  if (wanted.tuning == "dualprompt") { return measure_prompt<method::Dualprompt>(wanted); }
  if (wanted.tuning == "coda-prompt") { return measure_prompt<method::CodaPrompt>(wanted); }
  if (wanted.tuning == "dap") { return measure_prompt<method::Dap>(wanted); }
  if (wanted.tuning == "full") { return measure(wanted, Full{}, false); }
  if (wanted.tuning == "adapter") { return measure(wanted, Bottleneck{}, false); }
  if (wanted.tuning == "lora") { return measure(wanted, Lora{.rank = 8, .keys = true}, false); }
  if (wanted.tuning == "ssf") { return measure(wanted, Ssf{}, false); }
  if (wanted.tuning == "vpt-deep") { return measure(wanted, Frozen{}, true); }
  fail<ValueError>("accrete_bench_training", "there is no tuning ", wanted.tuning);
}

}  // namespace

int main(int count, char** words) {
  try {
    std::cout << run(parse({words + 1, words + count})) << '\n';
    return 0;
  } catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
