#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_data.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/alignment.hpp>
#include <accrete/head/linear.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace accrete::test::alignment_test {

namespace {

using Eigens = HostExecutor<EigenProducts>;

/// Two tasks of unequal size: classes 0-2 and 3-4; the rows of the second task far too long, as after training on the newest task alone.
struct Learned {
  Lesson lesson = clouds(300, 16, 5, 1, 0.5F);
  std::vector<Index> tasks{0, 0, 0, 1, 1};
  BlockState state;
  ClassMoments moments;

  Learned() {
    LinearHead const head;
    head.admit(state, {.index = 0, .first_class = 0, .classes = 3}, 16);
    head.admit(state, {.index = 1, .first_class = 3, .classes = 2}, 16);
    moments.admit(5);
    moments.add(Eigens{}, lesson.features.cview(), lesson.columns);
    for (Index c = 0; c < 5; ++c) {
      auto const rows = state.parameters().view<2>(c < 3 ? "head.0.weight" : "head.1.weight");
      for (Index j = 0; j < 16; ++j) { rows(c < 3 ? c : c - 3, j) = static_cast<float>(moments.mean(c)[j] * (c < 3 ? 0.05 : 0.5)); }
    }
  }

  [[nodiscard]] double accuracy(ParameterStore<float> const& store) const {
    Matrix<float> z({lesson.size(), 5});
    LinearHead{}.logits(Eigens{}, store, lesson.features.cview(), z.view());
    double hits = 0.0;
    for (Index i = 0; i < lesson.size(); ++i) { hits += std::max_element(z[i].begin(), z[i].end()) - z[i].begin() == lesson.columns[static_cast<std::size_t>(i)] ? 1.0 : 0.0; }
    return hits / static_cast<double>(lesson.size());
  }
};

}  // namespace

TEST_CASE("means of older classes are shrunk most, the newest not at all") {
  Alignment const alignment;
  CHECK(alignment.mean_scale(0, 0, 2, 10) == doctest::Approx(0.9 + 0.1 / 3.0).epsilon(1e-12));
  CHECK(alignment.mean_scale(10, 1, 2, 10) == doctest::Approx(0.9 + 0.2 / 3.0).epsilon(1e-12));
  CHECK(alignment.mean_scale(20, 2, 2, 10) == doctest::Approx(1.0).epsilon(1e-12));
  CHECK(Alignment{.shrinkage = MeanShrinkage::none}.mean_scale(0, 0, 2, 10) == 1.0);
}

TEST_CASE("division by the size of the latest task is right for equal tasks and wrong for others, as published") {
  Alignment const published{.shrinkage = MeanShrinkage::by_division};
  Alignment const ours;
  for (Index c = 0; c < 30; ++c) { CHECK(published.mean_scale(c, c / 10, 2, 10) == ours.mean_scale(c, c / 10, 2, 10)); }
  // 196 classes in tasks of 20, the last of 16: 195 div 16 = 12.
  CHECK(published.mean_scale(195, 9, 9, 16) == doctest::Approx(0.9 + 0.1 * 13.0 / 10.0).epsilon(1e-12));
  CHECK(ours.mean_scale(195, 9, 9, 16) == doctest::Approx(1.0).epsilon(1e-12));
}

TEST_CASE("drawn features of old classes are shorter, each by a factor of its own, and rows of old tasks see longer ones") {
  Alignment const alignment{.ageing = 0.02};
  auto drawn = Matrix<float>({400, 2});
  std::fill(drawn.begin(), drawn.end(), 1.0F);
  alignment.age(drawn.view(), 2, {.seed = 7}, 3);
  double least = 1.0;
  double most = 0.0;
  for (Index i = 0; i < drawn.extent(0); ++i) {
    CHECK(drawn(i, 0) == drawn(i, 1));
    least = std::min(least, static_cast<double>(drawn(i, 0)));
    most = std::max(most, static_cast<double>(drawn(i, 0)));
  }
  CHECK(least >= 1.0 / 1.06 - 1e-7);  // r in [0.01, 0.03], two tasks
  CHECK(least <= 1.0 / 1.059);
  CHECK(most <= 1.0 / 1.02 + 1e-7);
  CHECK(most >= 1.0 / 1.021);
  alignment.age(drawn.view(), 0, {.seed = 7}, 3);
  CHECK(static_cast<double>(*std::max_element(drawn.begin(), drawn.end())) == most);
  CHECK(alignment.age_factor(0, 2) == doctest::Approx(1.04).epsilon(1e-12));
  CHECK(alignment.age_factor(2, 2) == 1.0);
}

TEST_CASE_TEMPLATE("alignment weighs old classes against new ones and moves every block", Exec, ACCRETE_HOST_EXECUTORS) {
  Learned const learned;
  ParameterStore<float> const& before = learned.state.parameters();
  for (double const temperature : {0.1, 0.0}) {
    Alignment const alignment{.epochs = 10, .rows = 64, .temperature = temperature};
    ParameterStore<float> const after = alignment(Exec{}, LinearHead{}, before, learned.moments, learned.tasks);
    CHECK(learned.accuracy(after) > learned.accuracy(before) + 0.1);
    CHECK(learned.accuracy(after) > 0.9);
    for (auto const* name : {"head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"}) {
      if (after.segment(name).shape.size() == 2) {
        CHECK(!same_bits(after.view<2>(name), before.view<2>(name)));
      } else {
        CHECK(!same_bits(after.view<1>(name), before.view<1>(name)));
      }
    }
  }
}

TEST_CASE("the learned head stays as it was, and aligning twice gives the same") {
  Learned learned;
  auto const before = std::as_const(learned.state).parameters();
  Alignment const alignment{.epochs = 2, .rows = 32};
  auto const once = alignment(Eigens{.threads = 1}, LinearHead{}, std::as_const(learned.state).parameters(), learned.moments, learned.tasks);
  learned.state.align(once);
  CHECK(std::as_const(learned.state).parameters() == before);
  auto const twice = alignment(Eigens{.threads = 3}, LinearHead{}, std::as_const(learned.state).parameters(), learned.moments, learned.tasks);
  CHECK(twice == once);
  CHECK(learned.state.scoring() == once);
  CHECK(alignment(Eigens{}, LinearHead{}, before, learned.moments, learned.tasks).values().size() == before.values().size());
  CHECK(!(Alignment{.epochs = 2, .rows = 32, .seed = 2}(Eigens{}, LinearHead{}, before, learned.moments, learned.tasks) == once));
}

TEST_CASE("one step is that of the formulas") {
  ClassMoments one;  // a head of one task with one class: cross-entropy of one column has no gradient, so decay alone moves the rows
  one.admit(1);
  Lesson const lesson = clouds(20, 16, 1, 3);
  one.add(Eigens{}, lesson.features.cview(), lesson.columns);
  BlockState state;
  LinearHead{}.admit(state, {.index = 0, .first_class = 0, .classes = 1}, 16);
  auto const start = std::as_const(state).parameters();
  Alignment const alignment{.epochs = 1, .rows = 8, .rate = 0.1, .weight_decay = 0.5, .temperature = 0.0};
  auto const after = alignment(Eigens{}, LinearHead{}, start, one, std::vector<Index>{0});
  for (Index j = 0; j < 16; ++j) { CHECK(after.view<2>("head.0.weight")(0, j) / start.view<2>("head.0.weight")(0, j) == doctest::Approx(0.95F)); }
}

TEST_CASE("what does not fit is refused") {
  Learned const learned;
  auto const& store = learned.state.parameters();
  Alignment const alignment{.epochs = 1, .rows = 4};
  CHECK_THROWS_AS(static_cast<void>(alignment(Eigens{}, LinearHead{}, store, learned.moments, std::vector<Index>{0, 0})), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(alignment(Eigens{}, LinearHead{}, ParameterStore<float>(), ClassMoments(), std::vector<Index>{})), ValueError);
  ClassMoments empty;
  empty.admit(5);
  CHECK_THROWS_AS(static_cast<void>(alignment(Eigens{}, LinearHead{}, store, empty, learned.tasks)), ValueError);
  Alignment settings;
  assign_setting(Alignment::settings(), settings, "shrinkage", "by_division");
  CHECK(settings.shrinkage == MeanShrinkage::by_division);
}

}  // namespace accrete::test::alignment_test
