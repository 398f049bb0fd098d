#include "prompt_methods.hpp"
#include "support/compare.hpp"

#include <accrete/data/loader.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <type_traits>
#include <vector>

namespace accrete::test::prompt_answers_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// The rows of `scores` that answer the examples at `order`.
Matrix<float> rows_at(Matrix<float> const& scores, std::vector<Index> const& order) {
  Matrix<float> rows({static_cast<Index>(order.size()), scores.extent(1)});
  for (std::size_t i = 0; i < order.size(); ++i) { std::copy(scores[order[i]].begin(), scores[order[i]].end(), rows.view()[static_cast<Index>(i)].begin()); }
  return rows;
}

/// The slots with most votes, of equally many the smaller number.
std::vector<Index> most_voted(Matrix<Index> const& chosen, Index slots) {
  std::vector<Index> votes(static_cast<std::size_t>(slots), 0);
  for (Index const slot : chosen) { ++votes[static_cast<std::size_t>(slot)]; }
  std::vector<Index> order(votes.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return votes[static_cast<std::size_t>(a)] > votes[static_cast<std::size_t>(b)]; });
  order.resize(static_cast<std::size_t>(chosen.extent(1)));
  return order;
}

}  // namespace

TEST_CASE_TEMPLATE("a prompted answer is of the picture alone: the same bits in any company, any order, on any number of threads", Method, ACCRETE_PROMPT_METHODS) {
  auto learner = Method::compose(small_vit(), choosing_settings<Method>(), 5);
  learn<Method>(learner, first_task());
  learn<Method>(learner, second_task());
  Examples const pictures = unseen_pictures();
  if constexpr (requires { learner.chosen_slots(exec, pictures); }) { REQUIRE(differ(learner.chosen_slots(exec, pictures).slots)); }
  Matrix<float> const wanted = answers<Method>(learner, pictures);
  for (Index const batch : {Index{1}, Index{3}, Index{20}}) {
    CAPTURE(batch);
    CHECK(same_bits(answers<Method>(learner, pictures, in_batches(batch)), wanted));
  }
  CHECK(same_bits(answers<Method>(learner, pictures, {}, 1), wanted));
  std::vector<Index> const shuffled = Rng({.seed = 4, .purpose = Purpose::shuffle}).permutation(pictures.size());
  CHECK(same_bits(answers<Method>(learner, pictures.subset(shuffled), in_batches(7)), rows_at(wanted, shuffled)));
  for (Index const alone : {Index{0}, Index{9}, Index{19}}) {
    CAPTURE(alone);
    CHECK(same_bits(answers<Method>(learner, pictures.subset({alone})), rows_at(wanted, {alone})));
  }
}

TEST_CASE_TEMPLATE("a prompt method learns the same bits on any number of threads, and others from another seed", Method, ACCRETE_PROMPT_METHODS, ACCRETE_VOTING_METHODS) {
  auto two = small_method<Method>();
  auto one = small_method<Method>();
  auto other = Method::compose(small_vit(), small_settings<Method>(), 6);
  for (Examples const& task : {first_task(), second_task()}) {
    learn<Method>(two, task);
    learn<Method>(one, task, {}, in_batches(4), 1);
    learn<Method>(other, task);
  }
  CHECK(two.prompt_state().parameters() == one.prompt_state().parameters());
  CHECK(two.head_state().parameters() == one.head_state().parameters());
  CHECK(!(two.prompt_state().parameters() == other.prompt_state().parameters()));
}

TEST_CASE_TEMPLATE("a vote over a batch of one is the choice of one, and a vote of more gives all of them the same slots", Voting, method::L2pBatchVote, method::DualpromptBatchVote,
                   method::DapBatchVote) {
  using OfSlots = std::conditional_t<std::is_same_v<Voting, method::L2pBatchVote>, method::L2p, method::Dualprompt>;
  using Alone = std::conditional_t<std::is_same_v<Voting, method::DapBatchVote>, method::Dap, OfSlots>;
  auto voting_settings = choosing_settings<Voting>();
  auto alone_settings = choosing_settings<Alone>();
  if constexpr (std::is_same_v<Alone, method::L2p>) {  // there they vote while they learn as well
    voting_settings.protocol.training.batch = 1;
    alone_settings.protocol.training.batch = 1;
  }
  auto voting = Voting::compose(small_vit(), voting_settings, 5);
  auto alone = Alone::compose(small_vit(), alone_settings, 5);
  for (Examples const& task : {first_task(), second_task()}) {
    learn<Voting>(voting, task);
    learn<Alone>(alone, task);
  }
  REQUIRE(voting.prompt_state().parameters() == alone.prompt_state().parameters());
  if constexpr (HasSlots<decltype(voting_settings.prompt)>) { REQUIRE(voting.prompt_state().usage() == alone.prompt_state().usage()); }
  REQUIRE(voting.head_state().parameters() == alone.head_state().parameters());

  Examples const pictures = unseen_pictures();
  Matrix<float> const wanted = answers<Alone>(alone, pictures);
  CHECK(same_bits(answers<Voting>(voting, pictures, in_batches(1)), wanted));
  CHECK(!same_bits(answers<Voting>(voting, pictures, in_batches(20)), wanted));

  auto const chosen = alone.chosen_slots(exec, pictures).slots;
  REQUIRE(differ(chosen));
  auto const winners = most_voted(chosen, alone.prompt_state().slots());
  auto const voted = voting.chosen_slots(exec, pictures).slots;
  for (Index b = 0; b < voted.extent(0); ++b) { CHECK(std::equal(voted[b].begin(), voted[b].end(), winners.begin(), winners.end())); }
  CHECK(same_bits(voting.chosen_slots(exec, pictures, in_batches(1)).slots, chosen));
}

TEST_CASE_TEMPLATE("where the task of a picture rules the others out, the scores of its classes stay and no other class can win", Method, method::Dap, method::DapBatchVote) {
  auto settings = choosing_settings<Method>();
  auto open = Method::compose(small_vit(), settings, 5);
  settings.prompt.task_restricted = true;
  auto restricted = Method::compose(small_vit(), settings, 5);
  for (Examples const& task : {first_task(), second_task()}) {
    learn<Method>(open, task);
    learn<Method>(restricted, task);
  }
  Examples const pictures = unseen_pictures();
  auto const reading = in_batches(3);
  auto const chosen = open.chosen_slots(exec, pictures, reading).slots;
  REQUIRE(differ(chosen));
  Matrix<float> wanted = answers<Method>(open, pictures, reading);
  for (Index i = 0; i < wanted.extent(0); ++i) {
    for (Index column = 0; column < wanted.extent(1); ++column) {
      if (open.classes().task(column) != chosen(i, 0)) { wanted(i, column) = -1e11F; }
    }
  }
  CHECK(same_bits(answers<Method>(restricted, pictures, reading), wanted));
  if constexpr (std::is_same_v<Method, method::Dap>) {
    Loader loader(pictures, small_vit().preprocessing(), {.batch = pictures.size()});
    Batch batch;
    REQUIRE(loader.next(batch));
    CHECK(same_bits(restricted.predict(exec, batch.images.cview()).scores, wanted));
  }
}

TEST_CASE_TEMPLATE("a file brings a prompt method back at any moment: the same answers, the same next task, the same file", Method, ACCRETE_PROMPT_METHODS, ACCRETE_VOTING_METHODS) {
  TemporaryFolder const folder;
  auto learner = small_method<Method>();
  std::vector<Examples> const tasks{first_task(), second_task(), third_task()};
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    CAPTURE(task);
    learner.save(folder / "model");
    auto loaded = PromptLearner<Method>::load(folder / "model");
    CHECK(loaded.settings() == learner.settings());
    CHECK(loaded.tasks_seen() == static_cast<Index>(task));
    CHECK((model_bytes(loaded, folder / "again") == read_file(folder / "model")));
    if (task > 0) { CHECK(same_bits(answers<Method>(loaded, unseen_pictures()), answers<Method>(learner, unseen_pictures()))); }
    if constexpr (requires { learner.prompt_measures(); }) { CHECK(loaded.prompt_measures() == learner.prompt_measures()); }
    learn<Method>(loaded, tasks[task]);
    learn<Method>(learner, tasks[task]);
    CHECK((model_bytes(loaded, folder / "loaded") == model_bytes(learner, folder / "learned")));
  }
}

}  // namespace accrete::test::prompt_answers_test
