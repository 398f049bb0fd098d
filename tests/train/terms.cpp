#include "support/compare.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/term/anchor.hpp>
#include <accrete/train/term/feature_distillation.hpp>
#include <accrete/train/term/logit_distillation.hpp>
#include <accrete/train/term/with_terms.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace accrete::test::terms_test {

namespace {

[[nodiscard]] Matrix<double> rows_of(std::vector<std::vector<double>> const& rows) {
  Matrix<double> matrix({static_cast<Index>(rows.size()), static_cast<Index>(rows.front().size())});
  double* place = matrix.data();
  for (auto const& row : rows) { place = std::copy(row.begin(), row.end(), place); }
  return matrix;
}

[[nodiscard]] VectorView<double> flat(Matrix<double>& matrix) { return matrix.view().reshaped<1>({matrix.size()}); }

/// Largest relative difference between what `add` adds to a gradient that is not zero and central differences of the value.
template <class Add>
[[nodiscard]] double added_gradient_error(Matrix<double>& x, Add const& add, double share = 1.0) {
  auto const loss = [&] {
    Matrix<double> unused(x.shape());
    return share * add(unused.view());
  };
  auto d = Matrix<double>::zeros(x.shape());
  d(0, 0) = 3.0;
  add(d.view());
  d(0, 0) -= 3.0;
  return relative_difference(flat(d), central_differences(flat(x), loss));
}

}  // namespace

TEST_CASE("feature distillation: squares summed over the width, their mean over the batch, and the gradient of that") {
  auto features = rows_of({{1, 2, 0}, {0, -1, 1}});
  auto const teacher = rows_of({{1, 0, 1}, {3, -1, 1}});
  Matrix<double> unused({2, 3});
  CHECK(FeatureDistillation{.weight = 2.0}.judge_beside(features.cview(), teacher.cview(), 1.0, unused.view()) == 14.0);  // 2 (5 + 9) / 2

  auto random = random_matrix<double>(4, 6, 1);
  auto const other = random_matrix<double>(4, 6, 2);
  auto const add = [&](double share) { return [&, share](MatrixView<double> d) { return FeatureDistillation{.weight = 0.7}.judge_beside(random.cview(), other.cview(), share, d); }; };
  CHECK(added_gradient_error(random, add(1.0)) <= tolerance<double>(Kind::loss_differences));
  CHECK(added_gradient_error(random, add(0.25), 0.25) <= tolerance<double>(Kind::loss_differences));
  CHECK(FeatureDistillation{}.judge_beside(random.cview(), random.cview(), 1.0, random_matrix<double>(4, 6, 3).view()) == 0.0);
  CHECK_THROWS_AS(FeatureDistillation{}.judge_beside(random.cview(), teacher.cview(), 1.0, random.view()), ShapeError);
}

TEST_CASE("logit distillation: the specification's numbers less the teacher's entropy, T^2 on both sides, and earlier columns alone") {
  auto const q = rows_of({{0, 0}});
  auto const t = rows_of({{2, 0}});
  LogitDistillation const term{.temperature = 2.0};
  auto d = Matrix<double>::zeros({1, 2});
  CHECK(term.judge_logits_beside(q.cview(), t.cview(), {0, 2}, d.view()) == doctest::Approx(2.772589 - 2.328812).epsilon(1e-5));
  CHECK(d(0, 0) == doctest::Approx(2.0 * (0.5 - 0.7310585786)).epsilon(1e-9));  // T (p - q), the softmax of (1, 0)
  d = Matrix<double>::zeros({1, 2});
  CHECK(term.judge_logits_beside(t.cview(), t.cview(), {0, 2}, d.view()) == 0.0);
  CHECK(d(0, 0) == 0.0);
  auto const kept = d;
  CHECK(term.judge_logits_beside(q.cview(), t.cview(), {0, 0}, d.view()) == 0.0);
  CHECK(same_bits(d, kept));

  auto logits = random_matrix<double>(4, 7, 1);
  auto teacher = random_matrix<double>(4, 7, 2);
  for (double const temperature : {1.0, 3.0}) {
    auto const add = [&](MatrixView<double> to) { return LogitDistillation{.weight = 0.7, .temperature = temperature}.judge_logits_beside(logits.cview(), teacher.cview(), {0, 4}, to); };
    CHECK(added_gradient_error(logits, add) <= tolerance<double>(Kind::loss_differences));
    auto to = random_matrix<double>(4, 7, 3);
    auto const before = to;
    double const value = add(to.view());
    for (Index b = 0; b < 4; ++b) {
      CHECK(same_bits(to[b].slice(4, 3), before[b].slice(4, 3)));
      teacher(b, 5) += 10.0;  // a new column of the teacher means nothing
      logits(b, 6) -= 10.0;
    }
    CHECK(add(to.view()) == value);
  }
  CHECK_THROWS_AS(term.judge_logits_beside(logits.cview(), teacher.cview(), {0, 8}, logits.view()), ShapeError);
  CHECK_THROWS_AS(term.judge_logits_beside(logits.cview(), t.cview(), {0, 2}, logits.view()), ShapeError);
  CHECK_THROWS_AS(LogitDistillation{.temperature = 0.0}.judge_logits_beside(q.cview(), t.cview(), {0, 2}, d.view()), ValueError);
}

TEST_CASE("anchor: half the weight times the sum of squares, and its gradient") {
  auto values = rows_of({{1, 2}});
  auto const start = rows_of({{0, 4}});
  auto d = rows_of({{1, 1}});
  CHECK(Anchor{.weight = 2.0}.hold(values[0], start[0], d.view()[0]) == 5.0);  // the specification's, whose weight 1 has no half
  CHECK(d(0, 0) == 3.0);
  CHECK(d(0, 1) == -3.0);
  auto random = random_matrix<double>(1, 9, 1);
  auto const other = random_matrix<double>(1, 9, 2);
  CHECK(added_gradient_error(random, [&](MatrixView<double> to) { return Anchor{.weight = 0.3}.hold(random.cview()[0], other[0], to[0]); }) <= tolerance<double>(Kind::loss_differences));
  CHECK_THROWS_AS(Anchor{}.hold(values[0], other[0], d.view()[0]), ShapeError);
}

TEST_CASE("terms stand beside a loss: their names, settings and sums, and those that are off do nothing") {
  using Both = WithTerms<CrossEntropy, FeatureDistillation, Anchor>;
  static_assert(JudgesBesideTeacher<Both> && HoldsParameters<Both> && !JudgesLogitsBesideTeacher<Both>);
  static_assert(!LossTerm<CrossEntropy> && !LossTerm<WithTerms<CrossEntropy>>);
  CHECK(Both::composition() == "with-terms<cross-entropy, feature-distillation, anchor>");
  Both both{.loss = {}, .terms = {{.weight = 0.5}, {.weight = 4.0}}};
  std::vector<std::string> texts;
  for (auto const& setting : settings_of(both)) { texts.push_back(setting.name + '=' + setting.text(both)); }
  CHECK(texts == std::vector<std::string>{"feature-distillation=0.5", "start-anchor=4"});
  assign_setting(settings_of(both), both, "start-anchor", "0");
  CHECK(both.term<Anchor>().weight == 0.0);
  CHECK(both.term<FeatureDistillation>().weight == 0.5);
  CHECK(both.asks_for_features());
  CHECK_FALSE(both.holds());

  auto const values = rows_of({{1, 2}});
  auto const start = rows_of({{0, 4}});
  auto d = rows_of({{-0.0, 1}});
  auto const before = d;
  CHECK(both.hold(values[0], start[0], d.view()[0]) == 0.0);
  CHECK(same_bits(d, before));
  CHECK(both.judge_beside(values.cview(), start.cview(), 1.0, d.view()) == 2.5);
  std::vector<Index> const label{0};
  CHECK(both(values.cview(), label, {0, 2}, d.view()) == CrossEntropy{}(values.cview(), label, {0, 2}, d.view()));
}

}  // namespace accrete::test::terms_test
