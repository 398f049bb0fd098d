#include "prompt/placed.hpp"
#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/matrices.hpp"
#include "support/vit_checks.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/prompt/attention.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/prompt/generated.hpp>
#include <accrete/prompt/key_query.hpp>
#include <accrete/prompt/query/tokens.hpp>
#include <accrete/prompt/select/frequency_penalty.hpp>
#include <accrete/prompt/weight/entmax15.hpp>
#include <accrete/prompt/weight/softmax.hpp>
#include <accrete/prompt/weight/sparsemax.hpp>
#include <accrete/prompt/weight/top_k_softmax.hpp>
#include <accrete/train/prompted.hpp>
#include <accrete/train/tuned_part.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace accrete::test::batches_test {

namespace {

using Rows = InputTokens<ReadsPrompt>;
template <class Query>
using AsksBy = KeyQueryPrompt<Rows, TopK, LearnedKeys, Instance, GrowingPool, NoGeneral, Query>;

#define POOLS                                                                                                                                                                            \
  KeyQueryPrompt<Rows>, KeyQueryPrompt<Rows, TaskSlice>, KeyQueryPrompt<Rows, FrequencyPenalty>, KeyQueryPrompt<BlockTokens>, GeneralExpertPrompt<>, GeneralExpertPrompt<ClassMeanKeys>, \
      GeneralExpertPrompt<FrozenKeys>, AsksBy<MeanTokenQuery>, AsksBy<MaxTokenQuery>, GeneratedPrompt<>
#define COMPONENTS AttentionPrompt<>, AttentionPrompt<SoftmaxWeights>, AttentionPrompt<TopKSoftmaxWeights>, AttentionPrompt<SparsemaxWeights>, AttentionPrompt<Entmax15Weights>
#define FIXED FixedPrompt<Shallow>, FixedPrompt<Deep>

/// A prompt of few rows.
template <class Prompt>
Prompt small() {
  Prompt prompt;
  if constexpr (requires { prompt.per_task; }) {
    prompt.per_task = 3;
    prompt.placement = {.length = 2, .first = 0, .blocks = 2};
  } else if constexpr (requires { prompt.placement.blocks; }) {
    prompt.placement = {.length = 2, .first = 1, .blocks = 2};
  } else {
    if constexpr (requires { prompt.placement; }) { prompt.placement.length = 2; }
    if constexpr (requires { prompt.length; }) { prompt.length = 2; }
  }
  if constexpr (requires { prompt.general.placement; }) { prompt.general.placement = {.length = 1, .first = 0, .blocks = 2}; }
  if constexpr (requires { prompt.selector; }) { prompt.selector.count = 2; }
  return prompt;
}

/// A prompt three tasks on: all of it moved, with keys where pictures are.
/// @param[in] queries [B, D] of the pictures
template <class Prompt>
Placed<Prompt> learned(PromptPlace const& place, [[maybe_unused]] Matrix<float> const& queries) {
  Placed<Prompt> placed(small<Prompt>(), place);
  for (Index task = 0; task < 3; ++task) {
    placed.begin(task);
    auto const moves = random_matrix<float>(1, placed.store().values().size(), static_cast<std::uint64_t>(task));
    for (Index i = 0; i < moves.size(); ++i) { placed.store().values()[i] += 0.3F * moves.data()[i]; }
    if constexpr (requires { placed.state.slots(); }) {
      auto const keys = placed.store().template view<2>(Prompt::keys_segment);
      for (Index slot = 0; slot < std::min(keys.extent(0), queries.extent(0)); ++slot) { std::copy(queries[slot].begin(), queries[slot].end(), keys[slot].begin()); }
      std::vector<Index> const labels{2 * task, 2 * task + 1};
      auto hook = placed.prompt.learning_hook(HostExecutor<>{.threads = 1}, placed.state);
      hook.prepare(queries.cview().slice(2 * task, 2), labels);
      hook.finish(placed.state);
    }
    placed.end(task);
  }
  return placed;
}

template <int Rank>
Tensor<float, Rank> turned(Tensor<float, Rank> const& rows) {
  Tensor<float, Rank> result(rows.shape());
  for (Index i = 0; i < rows.extent(0); ++i) { std::copy(rows[i].begin(), rows[i].end(), result[(i * 5 + 3) % rows.extent(0)].begin()); }
  return result;
}

template <class Prompt>
void check_batches(Vit<> const& vit, Tensor<float, 4> const& images, std::vector<HostExecutor<>> const& executors) {
  constexpr bool asks = AsksForQueries<Prompt>;
  constexpr bool chooses = ChoosesSlots<Prompt>;
  auto const queries_of = [&](HostExecutor<> const& exec, TensorView<float const, 4> pictures) {
    if constexpr (asks) {
      Placed<Prompt> const empty(small<Prompt>(), prompt_place(vit));
      return Prompted(vit, empty.prompt, empty.state).plain().features(exec, pictures);
    } else {
      return Matrix<float>();
    }
  };
  auto const placed = learned<Prompt>(prompt_place(vit), queries_of(executors.front(), images.cview()));
  Prompted const prompted(vit, placed.prompt, placed.state);
  auto const reference = prompted.features(executors.front(), images.cview());
  CHECK(relative_difference(reference, vit.features(executors.front(), images)) > 1e-3);
  CHECK(prompted.features(executors.front(), images.cview().slice(0, 0)).shape() == Shape<2>{0, vit.width()});
  Matrix<Index> slots;
  if constexpr (chooses) {
    slots = placed.prompt.chosen_slots(executors.front(), placed.state, queries_of(executors.front(), images.cview()).cview());
    std::set<std::vector<Index>> different;
    for (Index b = 0; b < slots.extent(0); ++b) { different.insert({slots[b].begin(), slots[b].end()}); }
    CHECK(different.size() > 1);
  }
  for (HostExecutor<> const& exec : executors) {
    CAPTURE(exec.threads);
    for (auto const& range : {std::pair<Index, Index>{0, 1}, {8, 1}, {1, 7}, {0, 9}}) {
      Index const first = range.first;
      Index const count = range.second;
      CAPTURE(first);
      auto const part = images.cview().slice(first, count);
      auto const want = reference.cview().slice(first, count);
      CHECK(same_bits(prompted.features(exec, part), want));
      if constexpr (asks) {
        auto const queries = queries_of(exec, part);
        CHECK(same_bits(prompted.features_of(exec, part, queries.cview()), want));
        if constexpr (chooses) {
          CHECK(same_bits(placed.prompt.chosen_slots(exec, placed.state, queries.cview()), slots.cview().slice(first, count)));
          CHECK(same_bits(prompted.features_in_slots(exec, part, slots.cview().slice(first, count)), want));
        }
      }
    }
    CHECK(same_bits(prompted.features(exec, turned(images).cview()), turned(reference)));
  }
}

}  // namespace

TEST_CASE_TEMPLATE("a prompted picture has the same bits, and the same slots, alone, in any batch, in any order, with any threads, and with its query known", Prompt, POOLS, COMPONENTS, FIXED) {
  static auto const vit = [] {
    auto const network = network_case("plain");
    return Vit<>::load(network.weights, network.options());
  }();
  auto const images = many_images(9, vit.shape());
  for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
    CAPTURE(name_of(precision));
    check_batches<Prompt>(vit, images, {{.threads = 1, .precision = precision}, {.threads = 2, .precision = precision}});
  }
}

}  // namespace accrete::test::batches_test
