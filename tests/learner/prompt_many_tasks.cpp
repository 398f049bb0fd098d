#include "prompt_methods.hpp"
#include "support/compare.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace accrete::test::prompt_many_tasks_test {

namespace {

constexpr Index tasks = 30;
constexpr Index again = 17;  ///< the task that brings known classes alone

/// Tasks of one to three classes, of one to three pictures each.
std::vector<Examples> uneven_tasks() {
  std::vector<Examples> all;
  Index named = 0;
  for (Index task = 0; task < tasks; ++task) {
    std::vector<std::string> names;
    for (Index c = 0; c <= task % 3; ++c) { names.push_back(task == again ? message('c', 4 * c) : message('c', named++)); }
    Examples const pictures = striped_pictures(names, 3, static_cast<std::uint64_t>(task) + 1);
    std::vector<Index> kept;
    for (Index i = 0; i < pictures.size(); ++i) {
      if (i % 3 <= (task + pictures.label(i)) % 3) { kept.push_back(i); }
    }
    all.push_back(pictures.subset(kept));
  }
  return all;
}

}  // namespace

TEST_CASE_TEMPLATE("thirty tasks of any size go through every prompt method, though nothing says how many will come", Method, ACCRETE_PROMPT_METHODS, ACCRETE_VOTING_METHODS) {
  TemporaryFolder const folder;
  auto learner = small_method<Method>(1);
  Index classes = 0;
  for (Examples const& task : uneven_tasks()) {
    Observation const seen = learn<Method>(learner, task);
    CAPTURE(seen.task.index);
    CHECK(seen.samples == task.size());
    CHECK(seen.task.classes == (seen.task.index == again ? 0 : static_cast<Index>(task.class_names().size())));
    classes += seen.task.classes;
  }
  REQUIRE(learner.tasks_seen() == tasks);
  REQUIRE(learner.classes().size() == classes);
  Matrix<float> const scores = answers<Method>(learner, unseen_pictures());
  REQUIRE(scores.extent(1) == classes);
  CHECK(std::all_of(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); }));

  auto const& prompt = learner.prompt();
  auto const& state = learner.prompt_state();
  if constexpr (AddsComponents<std::remove_cvref_t<decltype(prompt)>>) { CHECK(state.components() == tasks * prompt.per_task); }
  if constexpr (HasGeneralRows<std::remove_cvref_t<decltype(prompt)>> || GeneratesRows<std::remove_cvref_t<decltype(prompt)>>) {
    CHECK(state.slots() == tasks);
    auto const chosen = learner.chosen_slots(HostExecutor<>{}, uneven_tasks().back()).slots;
    CHECK(std::all_of(chosen.begin(), chosen.end(), [](Index slot) { return slot >= 0 && slot < tasks; }));
  } else if constexpr (HasSlots<std::remove_cvref_t<decltype(prompt)>>) {
    CHECK(state.slots() == prompt.pool);
  }
  learner.save(folder / "model");
  CHECK(same_bits(answers<Method>(PromptLearner<Method>::load(folder / "model"), unseen_pictures()), scores));
}

TEST_CASE_TEMPLATE("a single class has nothing to compete with: its rows and prompts stay as they begin, and what is pulled to queries moves alone", Method, method::L2p, method::Dualprompt,
                   method::CodaPrompt, method::CodaSparsemax, method::Dap) {
  auto learner = small_method<Method>();
  learn<Method>(learner, first_task());
  auto start = learner.prompt_state();
  auto rows = learner.head_state();
  TaskInfo const task = learn<Method>(learner, striped_pictures({"fox"}, 6, 3)).task;
  learner.prompt().begin_task(start, task);
  learner.head().admit(rows, task, learner.backbone().width());
  auto const& learned = learner.prompt_state().parameters();
  using Prompt = std::remove_cvref_t<decltype(learner.prompt())>;
  for (auto const& segment : learned.segments()) {
    CAPTURE(segment.name);
    bool const is_pulled = segment.name == Prompt::keys_segment && !AddsComponents<Prompt>;
    CHECK((segment_rows(learned, segment.name, 0, segment.shape[0]) == segment_rows(start.parameters(), segment.name, 0, segment.shape[0])) == !is_pulled);
  }
  auto const& head = std::as_const(learner).head_state().parameters();
  CHECK(std::equal(head.values().begin(), head.values().end(), std::as_const(rows).parameters().values().begin()));
}

}  // namespace accrete::test::prompt_many_tasks_test
