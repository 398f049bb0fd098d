#include "prompt_methods.hpp"
#include "support/compare.hpp"
#include "support/tolerances.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace accrete::test::prompt_stability_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// Rows [first, first + count) of a segment of a prompt.
struct Rows {
  std::string_view segment;
  Index first = 0;
  Index count = 0;
};

/// What a task must leave alone, and what it must move.
struct Shares {
  std::vector<Rows> others;
  std::vector<Rows> own;
  bool some = false;  ///< of `own`, some at least; otherwise every one
};

template <class Prompt>
Shares shares(Prompt const& prompt, typename Prompt::State const& state, Index task) {
  Shares of;
  if constexpr (AddsComponents<Prompt>) {
    for (std::string_view const segment : {Prompt::components_segment, Prompt::keys_segment, Prompt::attention_segment}) {
      of.others.push_back({segment, 0, task * prompt.per_task});
      for (Index m = 0; m < prompt.per_task; ++m) { of.own.push_back({segment, task * prompt.per_task + m, 1}); }
    }
    of.some = requires { prompt.weights.temperature; };  // a weight of zero lets nothing through
  } else if constexpr (GeneratesRows<Prompt>) {
    for (std::string_view const segment : {Prompt::keys_segment, Prompt::embedding}) {
      of.others.push_back({segment, 0, task});
      of.others.push_back({segment, task + 1, state.slots() - task - 1});
      of.own.push_back({segment, task, 1});
    }
    Index const depth = state.place().depth;
    for (std::string_view const segment : {Prompt::down_weight, Prompt::down_bias}) { (task == 0 ? of.own : of.others).push_back({segment, 0, depth}); }
    for (std::string_view const segment : {Prompt::film_weight, Prompt::film_bias, Prompt::norm_weight, Prompt::norm_bias}) { of.own.push_back({segment, 0, depth}); }
  } else if constexpr (HasSlots<Prompt>) {
    for (Index slot = 0; slot < state.slots(); ++slot) {
      bool const is_own = Prompt::Selector::slots_of_tasks ? slot == task : state.usage().back()[static_cast<std::size_t>(slot)] > 0;
      (is_own ? of.own : of.others).push_back({Prompt::pool_segment, slot, 1});
      (is_own && Prompt::Keys::learns ? of.own : of.others).push_back({Prompt::keys_segment, slot, 1});
    }
    if constexpr (HasGeneralRows<Prompt>) { of.own.push_back({Prompt::general_segment, 0, 4}); }
  } else {
    for (Index layer = 0; layer < state.parameters().segment(Prompt::segment).shape[0]; ++layer) { of.own.push_back({Prompt::segment, layer, 1}); }
  }
  return of;
}

/// Whether rows have the same bits in two stores; those that only one of them has do not count.
bool are_same(ParameterStore<float> const& a, ParameterStore<float> const& b, Rows const& rows) {
  if (!a.contains(rows.segment)) { return true; }
  Index const count = std::min(rows.count, a.segment(rows.segment).shape[0] - rows.first);
  return count <= 0 || segment_rows(a, rows.segment, rows.first, count) == segment_rows(b, rows.segment, rows.first, count);
}

Matrix<float> plain_features(Vit<> const& network, Examples const& pictures) { return extract_features(exec, network, pictures).features; }

}  // namespace

TEST_CASE_TEMPLATE("a task leaves the network, the rows of earlier classes and what other tasks own of the prompt as they were, and moves what is its own", Method, ACCRETE_PROMPT_METHODS,
                   ACCRETE_VOTING_METHODS) {
  auto learner = small_method<Method>();
  std::string const hash = learner.backbone().hash();
  Matrix<float> const plain = plain_features(small_vit(), unseen_pictures());
  for (Examples const& pictures : {first_task(), second_task(), third_task()}) {
    auto const before = learner;
    TaskInfo const task = learn<Method>(learner, pictures).task;
    CAPTURE(task.index);
    CHECK(learner.backbone().hash() == hash);
    CHECK(same_bits(plain_features(learner.backbone(), unseen_pictures()), plain));
    for (auto const& segment : before.head_state().parameters().segments()) {
      CHECK(segment_rows(learner.head_state().parameters(), segment.name, 0, segment.shape[0]) == segment_rows(before.head_state().parameters(), segment.name, 0, segment.shape[0]));
    }

    auto start = before.prompt_state();
    learner.prompt().begin_task(start, task);
    auto const& after = learner.prompt_state().parameters();
    auto const of = shares(learner.prompt(), learner.prompt_state(), task.index);
    for (Rows const& rows : of.others) {
      CAPTURE(std::string(rows.segment));
      CAPTURE(rows.first);
      CHECK(are_same(start.parameters(), after, rows));
      CHECK(are_same(before.prompt_state().parameters(), after, rows));
    }
    Index still = 0;
    for (Rows const& rows : of.own) {
      CAPTURE(std::string(rows.segment));
      CAPTURE(rows.first);
      bool const moved = !are_same(start.parameters(), after, rows);
      still += moved ? 0 : 1;
      if (!of.some) { CHECK(moved); }
    }
    CHECK(still < static_cast<Index>(of.own.size()));
  }
}

TEST_CASE_TEMPLATE("the slots of a task begin as those of the task before, its key as it is drawn", Method, method::Dualprompt, method::DualpromptBatchVote) {
  using Prompt = std::remove_cvref_t<decltype(small_method<Method>().prompt())>;
  auto learner = small_method<Method>();
  learn<Method>(learner, first_task());
  auto const& before = learner.prompt_state().parameters();
  auto start = learner.prompt_state();
  learner.prompt().begin_task(start, {.index = 1, .first_class = 3, .classes = 2});
  CHECK(segment_rows(start.parameters(), Prompt::pool_segment, 1, 1) == segment_rows(before, Prompt::pool_segment, 0, 1));
  CHECK(segment_rows(before, Prompt::pool_segment, 1, 1) != segment_rows(before, Prompt::pool_segment, 0, 1));
  CHECK(segment_rows(start.parameters(), Prompt::keys_segment, 1, 1) == segment_rows(before, Prompt::keys_segment, 1, 1));
}

/// As `relative_difference`.
double difference(std::vector<float> const& got, std::vector<float> const& want) {
  auto const view = [](std::vector<float> const& row) { return VectorView<float const>(row.data(), {static_cast<Index>(row.size())}); };
  return relative_difference(view(got), view(want));
}

/// Where a row goes by what AMSGrad remembers of it, with a gradient of zero: from the row and the moments it begins with.
std::vector<float> coasted(std::vector<float> row, ModelReader const& moments, Index first, Adam const& adam, double rate, Index before, Index steps) {
  auto const mean = moments.tensor<float, 1>("moment0");
  auto const largest = moments.tensor<float, 1>("moment2");
  for (std::size_t i = 0; i < row.size(); ++i) {
    double m = static_cast<double>(mean(first + static_cast<Index>(i)));
    double const v = static_cast<double>(largest(first + static_cast<Index>(i)));
    double w = static_cast<double>(row[i]);
    for (Index t = before + 1; t <= before + steps; ++t) {
      m *= adam.beta1;
      w -= rate / (1.0 - std::pow(adam.beta1, static_cast<double>(t))) * m / (std::sqrt(v / (1.0 - std::pow(adam.beta2, static_cast<double>(t)))) + adam.epsilon);
    }
    row[i] = static_cast<float>(w);
  }
  return row;
}

TEST_CASE("one optimiser for the whole run moves rows of earlier tasks by what it remembers, and what gets no gradient not at all") {
  using Prompt = std::remove_cvref_t<decltype(method::Dap::standard().prompt)>;
  TemporaryFolder const folder;
  auto settings = small_settings<method::Dap>();
  auto fresh = method::Dap::compose(small_vit(), settings, 5);
  settings.protocol.training.keeps_moments = true;
  auto learner = method::Dap::compose(small_vit(), settings, 5);
  learn<method::Dap>(fresh, first_task());
  learn<method::Dap>(learner, first_task());
  CHECK(learner.head_state().parameters() == fresh.head_state().parameters());  // there was nothing to remember

  fresh.save(folder / "fresh");
  learner.save(folder / "model");
  auto const moments_in = [&](char const* file) { return ModelReader::open(folder / file, PromptLearner<method::Dap>::composition()).scope("optimizer"); };
  CHECK(!moments_in("fresh").has_setting("parts"));
  ModelReader const moments = moments_in("model");
  auto const before = learner.prompt_state().parameters();
  auto const head_before = learner.head_state().parameters();
  Index const steps = 2 * ((first_task().size() + 4) / 5);
  Index const later_steps = 2 * ((second_task().size() + 4) / 5);

  auto loaded = PromptLearner<method::Dap>::load(folder / "model");
  learn<method::Dap>(loaded, second_task());
  learn<method::Dap>(learner, second_task());
  CHECK((model_bytes(loaded, folder / "loaded") == model_bytes(learner, folder / "learned")));

  auto const& after = learner.prompt_state().parameters();
  for (std::string_view const segment : {Prompt::keys_segment, Prompt::embedding}) {
    CAPTURE(segment);
    auto const wanted = coasted(segment_rows(before, segment, 0, 1), moments.scope("prompt"), before.offset(segment), settings.protocol.optimizer, 0.01, steps, later_steps);
    CHECK(difference(segment_rows(after, segment, 0, 1), wanted) <= tolerance<float>(Kind::trajectory));
    CHECK(segment_rows(after, segment, 0, 1) != segment_rows(before, segment, 0, 1));
    CHECK(segment_rows(after, segment, 2, 1) == segment_rows(before, segment, 2, 1));
  }
  CHECK(segment_rows(after, Prompt::down_weight, 0, 3) == segment_rows(before, Prompt::down_weight, 0, 3));
  std::string const rows = head_before.segments()[0].name;
  auto const wanted = coasted(segment_rows(head_before, rows, 0, 1), moments.scope("head"), head_before.offset(rows), settings.protocol.optimizer, 0.01, steps, later_steps);
  CHECK(difference(segment_rows(learner.head_state().parameters(), rows, 0, 1), wanted) <= tolerance<float>(Kind::trajectory));
}

}  // namespace accrete::test::prompt_stability_test
