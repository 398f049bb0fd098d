#pragma once

#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/method/coda_entmax.hpp>
#include <accrete/method/coda_prompt.hpp>
#include <accrete/method/coda_sparsemax.hpp>
#include <accrete/method/coda_topk.hpp>
#include <accrete/method/dap.hpp>
#include <accrete/method/dualprompt.hpp>
#include <accrete/method/l2p.hpp>
#include <accrete/method/l2p_frequency_penalty.hpp>
#include <accrete/method/reproduction/dap_batch_vote.hpp>
#include <accrete/method/reproduction/dualprompt_batch_vote.hpp>
#include <accrete/method/reproduction/dualprompt_pilot.hpp>
#include <accrete/method/reproduction/l2p_batch_vote.hpp>
#include <accrete/method/vpt_deep.hpp>
#include <accrete/method/vpt_shallow.hpp>
#include <accrete/prompt/query/tokens.hpp>

#include <filesystem>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// The prompt methods on the small golden network (3 blocks, D = 36), with little to do.
namespace accrete::test {

/// DualPrompt whose keys are mean queries of classes: what it learns lies beside its parameters.
struct DualpromptOfMeans : method::detail::Prompted<GeneralExpertPrompt<ClassMeanKeys>> {
  [[nodiscard]] static Settings standard() {
    Settings settings;
    settings.head.initial = InitialRows::zeros;
    settings.protocol = constant_rate(5, 24, 0.0028125, 1.0);
    return settings;
  }
};

/// L2P that asks by the mean of a picture's tokens.
struct L2pOfTokens : method::detail::Prompted<KeyQueryPrompt<InputTokens<ReadsPrompt>, TopK, LearnedKeys, Instance, GrowingPool, NoGeneral, MeanTokenQuery>> {
  [[nodiscard]] static Settings standard() {
    Settings settings;
    settings.head.initial = InitialRows::zeros;
    settings.protocol = constant_rate(5, 128, 0.015, 1.0);
    return settings;
  }
};

/// Those that answer for each picture alone, by what they make of it, and those whose pictures vote.
#define ACCRETE_POOL_METHODS method::L2p, method::L2pFrequencyPenalty, L2pOfTokens, method::Dualprompt, DualpromptOfMeans
#define ACCRETE_COMPONENT_METHODS method::CodaPrompt, method::CodaEntmax, method::CodaSparsemax, method::CodaTopk
#define ACCRETE_ROW_METHODS method::Dap, method::VptShallow, method::VptDeep
#define ACCRETE_PROMPT_METHODS ACCRETE_POOL_METHODS, ACCRETE_COMPONENT_METHODS, ACCRETE_ROW_METHODS
#define ACCRETE_VOTING_METHODS method::L2pBatchVote, method::DualpromptBatchVote, method::DualpromptPilot, method::DapBatchVote

template <class P>
concept HasSlots = requires(P const& prompt) {
  prompt.selector;
};
template <class P>
concept HasGeneralRows = requires(P const& prompt) {
  prompt.general.placement;
};
template <class P>
concept AddsComponents = requires(P const& prompt) {
  prompt.per_task;
};
template <class P>
concept GeneratesRows = requires(P const& prompt) {
  prompt.embedding_width;
};

/// Makes a prompt small enough for the network; nothing depends on the number of tasks.
template <class Prompt>
void shrink(Prompt& prompt) {
  if constexpr (AddsComponents<Prompt>) {
    prompt.per_task = 3;
    prompt.placement = {.length = 2, .first = 0, .blocks = 2};
    if constexpr (requires { prompt.weights.k; }) { prompt.weights.k = 2; }
  } else if constexpr (GeneratesRows<Prompt>) {
    prompt.length = 2;
    prompt.embedding_width = 4;
  } else if constexpr (HasGeneralRows<Prompt>) {
    prompt.placement.length = 2;
    prompt.placement.first = 1;
    prompt.placement.blocks = 2;
    prompt.general.placement = {.length = 2, .first = 0, .blocks = 2};
  } else if constexpr (HasSlots<Prompt>) {
    prompt.pool = 6;
    prompt.placement.length = 2;
    prompt.selector.count = 2;
  } else {
    prompt.length = 3;
  }
}

/// The published settings with a small prompt, few epochs and batches of five.
template <class Method>
[[nodiscard]] auto small_settings(Index epochs = 2) {
  auto settings = Method::standard();
  shrink(settings.prompt);
  settings.protocol.training.epochs = epochs;
  settings.protocol.training.batch = 5;
  return settings;
}

/// Those under which the keys come so far that unseen pictures choose different slots, where a method has some.
template <class Method>
[[nodiscard]] auto choosing_settings() {
  auto settings = small_settings<Method>(3);
  settings.protocol.training.batch = 2;
  if constexpr (HasGeneralRows<decltype(settings.prompt)>) { settings.protocol.training.rate = 0.01; }
  if constexpr (GeneratesRows<decltype(settings.prompt)>) { settings.protocol.training.rate = 0.03; }
  return settings;
}

template <class Method>
using PromptLearner = typename Method::template Learner<>;

template <class Method>
[[nodiscard]] PromptLearner<Method> small_method(Index epochs = 2) {
  return Method::compose(small_vit(), small_settings<Method>(epochs), 5);
}

/// What takes a compiler long: it is done once for each method, in prompt_pools.cpp, prompt_components.cpp and prompt_rows.cpp.
template <class Method>
Observation learn(PromptLearner<Method>& learner, Examples const& task, TrainingRun const& run = {}, Reading const& reading = {}, int threads = 2);
/// Scores, however the method predicts.
template <class Method>
[[nodiscard]] Matrix<float> answers(PromptLearner<Method> const& learner, Examples const& pictures, Reading const& reading = {}, int threads = 2);

[[nodiscard]] inline Reading in_batches(Index batch) {
  Reading reading;
  reading.batch = batch;
  return reading;
}

[[nodiscard]] inline Examples third_task() { return striped_pictures({"fox", "gnu"}, 5, 3); }

/// Whether pictures chose different slots, so that a mistake in whose is whose would show.
[[nodiscard]] inline bool differ(Matrix<Index> const& slots) {
  std::set<std::vector<Index>> rows;
  for (Index b = 0; b < slots.extent(0); ++b) { rows.insert({slots[b].begin(), slots[b].end()}); }
  return rows.size() > 1;
}

/// Rows [first, first + count) of a segment.
[[nodiscard]] inline std::vector<float> segment_rows(ParameterStore<float> const& store, std::string_view name, Index first, Index count) {
  auto const& shape = store.segment(name).shape;
  Index const each = std::accumulate(shape.begin() + 1, shape.end(), Index{1}, [](Index a, Index b) { return a * b; });
  auto const rows = store.values().slice(store.offset(name) + first * each, count * each);
  return {rows.begin(), rows.end()};
}

}  // namespace accrete::test
