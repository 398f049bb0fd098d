#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/head_data.hpp"

#include <accrete/head/aligned.hpp>
#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <utility>
#include <vector>

namespace accrete::test::aligned_test {

namespace {

using Eigens = HostExecutor<EigenProducts>;
using Head = AlignedHead<>;

Lesson lesson_of(Index first, Index classes) {
  Lesson lesson = clouds(80, 10, classes, static_cast<std::uint64_t>(first + 1));
  for (Index& column : lesson.columns) { column += first; }
  return lesson;
}

void learn(Head const& head, Head::State& state, TaskInfo const& task) {
  head.admit(state, task, 10);
  Lesson const lesson = lesson_of(task.first_class, task.classes);
  head.observe(Eigens{}, state, lesson.features.view(), lesson.columns);
  head.fit(Eigens{}, state);
}

Head small(AlignedRows rows) { return {.head = {}, .alignment = {.epochs = 2, .rows = 16}, .rows = rows, .moments = SecondMoment::full}; }

Head::State taught(Head const& head) {
  Head::State state;
  learn(head, state, {.index = 0, .first_class = 0, .classes = 3});
  learn(head, state, {.index = 1, .first_class = 3, .classes = 2});
  return state;
}

}  // namespace

TEST_CASE("rows of old tasks score features as if they were longer, once per alignment") {
  Head plain = small(AlignedRows::scored);
  plain.alignment.epochs = 0;
  Head aged = plain;
  aged.alignment.ageing = 0.02;
  auto const still = taught(plain);
  auto const longer = taught(aged);
  auto const check = [&](char const* name, double factor) {
    auto const want = still.scoring().view<2>(name);
    auto const got = longer.scoring().view<2>(name);
    for (Index i = 0; i < want.extent(0); ++i) {
      for (Index j = 0; j < want.extent(1); ++j) { CHECK(static_cast<double>(got(i, j)) == doctest::Approx(factor * static_cast<double>(want(i, j))).epsilon(1e-6)); }
    }
  };
  check("head.0.weight", 1.02);
  check("head.1.weight", 1.0);
  CHECK(std::as_const(longer).parameters() == std::as_const(still).parameters());
}

TEST_CASE("aligned rows score, learned rows stay, and no alignment builds on the last") {
  Head const head = small(AlignedRows::scored);
  Head::State state;
  learn(head, state, {.index = 0, .first_class = 0, .classes = 3});
  CHECK(!state.is_aligned());  // one task has nothing to be weighed against
  auto const first = std::as_const(state).parameters();
  learn(head, state, {.index = 1, .first_class = 3, .classes = 2});
  CHECK(state.is_aligned());
  CHECK(same_bits(std::as_const(state).parameters().view<2>("head.0.weight"), first.view<2>("head.0.weight")));
  CHECK(!same_bits(state.scoring().view<2>("head.0.weight"), first.view<2>("head.0.weight")));
  auto const once = state.scoring();
  head.fit(Eigens{}, state);
  CHECK(state.scoring() == once);
  learn(head, state, {.index = 2, .first_class = 5, .classes = 1});
  CHECK(same_bits(std::as_const(state).parameters().view<2>("head.0.weight"), first.view<2>("head.0.weight")));
  CHECK(state.tasks() == std::vector<Index>{0, 0, 0, 1, 1, 2});
}

TEST_CASE("kept rows are learned from, and only the newest block learns afterwards") {
  auto const state = taught(small(AlignedRows::kept));
  CHECK(!state.is_aligned());
  auto const scored = taught(small(AlignedRows::scored));
  CHECK(same_bits(state.parameters().values(), scored.scoring().values()));
  CHECK(state.parameters().segment("head.0.weight").trainable_rows == 0);
  CHECK(state.parameters().segment("head.1.weight").trainable_rows == 2);
}

TEST_CASE("moments of old classes keep their bits") {
  Head const head = small(AlignedRows::scored);
  auto state = taught(head);
  auto const before = state.moments();
  learn(head, state, {.index = 2, .first_class = 5, .classes = 2});
  for (Index c = 0; c < 5; ++c) {
    CHECK(same_bits(state.moments().mean(c), before.mean(c)));
    CHECK(same_bits(state.moments().covariance(Eigens{}, c).storage(), before.covariance(Eigens{}, c).storage()));
  }
}

TEST_CASE("a state goes through a file bit for bit, and what does not fit together is refused") {
  TemporaryFolder const folder;
  Head const head = small(AlignedRows::scored);
  auto const state = taught(head);
  ModelWriter writer("test");
  head.write(state, writer);
  writer.write(folder / "m.safetensors");
  Head::State again;
  head.read(again, ModelReader::open(folder / "m.safetensors", "test"));
  CHECK(std::as_const(again).parameters() == state.parameters());
  CHECK(again.scoring() == state.scoring());
  CHECK(again.tasks() == state.tasks());
  head.fit(Eigens{}, again);
  CHECK(again.scoring() == state.scoring());

  ModelWriter broken("test");
  auto rows = broken.scope("rows");
  head.head.write(state, rows);
  state.moments().write(broken.scope("moments"));
  broken.setting("tasks", std::vector<Index>{0, 0});
  broken.write(folder / "b.safetensors");
  CHECK_THROWS_AS(head.read(again, ModelReader::open(folder / "b.safetensors", "test")), FileError);
  CHECK(again.tasks() == state.tasks());
}

TEST_CASE("settings are read from text") {
  Head head;
  assign_setting(Head::settings(), head, "aligned_rows", "kept");
  assign_setting(Head::settings(), head, "align-epochs", "30");
  assign_setting(Head::settings(), head, "moments", "diagonal");
  CHECK(head.rows == AlignedRows::kept);
  CHECK(head.alignment.epochs == 30);
  CHECK(head.moments == SecondMoment::diagonal);
}

}  // namespace accrete::test::aligned_test
