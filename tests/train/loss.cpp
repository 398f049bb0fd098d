#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/tolerances.hpp"

#include <accrete/core/rng.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/loss/logit_normalisation.hpp>
#include <accrete/train/loss/reverse_cross_entropy.hpp>
#include <accrete/train/mixup.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace accrete::test::loss_test {
namespace {

constexpr ColumnRange valid{3, 5};
std::vector<Index> const blocks{3, 5, 1, 2};

/// The golden logits in one of the two types, and a gradient full of garbage.
template <class T>
struct Case {
  SafetensorsFile file = golden("losses");
  Matrix<T> logits{{6, 11}};
  Matrix<T> gradient{{6, 11}};
  std::vector<Index> labels;

  Case() {
    auto const stored = file.read<float, 2>("logits");
    std::copy(stored.begin(), stored.end(), logits.begin());
    std::fill(gradient.begin(), gradient.end(), T{77});
    auto const classes = file.read<Index, 1>("labels");
    labels.assign(classes.begin(), classes.end());
  }

  void check(std::string const& name, double loss) const {
    CAPTURE(name);
    CHECK(loss == doctest::Approx(file.read<double, 1>(name + ".loss")(0)).epsilon(tolerance<double>(Kind::softmax)));
    CHECK(relative_difference(gradient, file.read<double, 2>(name + ".gradient")) <= tolerance<T>(Kind::softmax));
  }
  void check_outside() const {
    for (Index b = 0; b < 6; ++b) {
      for (Index c = 0; c < 11; ++c) {
        if (!valid.holds(c)) { CHECK(gradient(b, c) == T{0}); }
      }
    }
  }
};

Matrix<double> row_of(std::vector<double> const& values) {
  Matrix<double> row({1, static_cast<Index>(values.size())});
  std::copy(values.begin(), values.end(), row.begin());
  return row;
}

}  // namespace

TEST_CASE_TEMPLATE("cross-entropy over the valid columns is torch's, with exact zeros outside", T, float, double) {
  Case<T> c;
  c.check("plain", CrossEntropy{}(c.logits, c.labels, valid, c.gradient.view()));
  c.check_outside();
  c.check("smoothed", CrossEntropy{.smoothing = 0.1}(c.logits, c.labels, valid, c.gradient.view()));
  c.check_outside();
  c.check("soft", CrossEntropy{}.soft(c.logits, c.file.template read<double, 2>("targets"), valid, c.gradient.view()));
  c.check_outside();
}

TEST_CASE_TEMPLATE("reverse cross-entropy, alone and added, is what automatic differentiation says", T, float, double) {
  Case<T> c;
  c.check("reverse", SymmetricCrossEntropy{.forward = 0.0, .reverse = 1.0}(c.logits, c.labels, valid, c.gradient.view()));
  c.check_outside();
  c.check("symmetric", SymmetricCrossEntropy{.forward = 0.5, .reverse = 0.5}(c.logits, c.labels, valid, c.gradient.view()));
  c.check_outside();
}

TEST_CASE_TEMPLATE("logit normalisation before the loss, with the gradient through the mean length", T, float, double) {
  Case<T> c;
  LogitNormalisation const normalisation{.temperature = 0.1};
  Matrix<T> normalised({6, 11});
  normalisation.forward(c.logits, blocks, normalised.view());
  double const loss = CrossEntropy{}(normalised, c.labels, {0, 11}, c.gradient.view());
  normalisation.backward(c.logits, blocks, c.gradient, c.gradient.view());
  CHECK(loss == doctest::Approx(c.file.template read<double, 1>("normalised.loss")(0)).epsilon(tolerance<T>(Kind::softmax)));
  CHECK(relative_difference(c.gradient, c.file.template read<double, 2>("normalised.gradient")) <= tolerance<T>(Kind::attention));
}

TEST_CASE("the specification's numbers: cross-entropy of the columns of a task alone") {
  auto const z = row_of({2, 1, 0.5, -1});
  auto gradient = row_of({7, 7, 7, 7});
  std::vector<Index> const label{3};
  CHECK(std::abs(CrossEntropy{}(z, label, {2, 2}, gradient.view()) - 1.7014132780) <= 1e-10);
  auto const want = row_of({0, 0, 0.8175744762, -0.8175744762});
  for (Index c = 0; c < 4; ++c) { CHECK(std::abs(gradient(0, c) - want(0, c)) <= 1e-10); }
  CHECK(std::abs(CrossEntropy{}(z, label, {0, 4}, gradient.view()) - 3.4951818981) <= 1e-10);
}

TEST_CASE("the specification's numbers: reverse cross-entropy") {
  auto const z = row_of({2, 0, 0});
  Matrix<double> gradient({1, 3});
  std::vector<Index> const label{0};
  CHECK(std::abs(SymmetricCrossEntropy{.forward = 1.0, .reverse = 0.0}(z, label, {0, 3}, gradient.view()) - 0.2395) <= 0.5e-4);
  CHECK(std::abs(SymmetricCrossEntropy{.forward = 0.0, .reverse = 1.0}(z, label, {0, 3}, gradient.view()) - 1.9619) <= 0.5e-4);
}

TEST_CASE("the specification's numbers: logit normalisation") {
  auto const z = row_of({3, 4, 0, 1});
  std::vector<Index> const halves{2, 2};
  std::vector<Index> const label{1};
  Matrix<double> normalised({1, 4});
  Matrix<double> gradient({1, 4});
  LogitNormalisation const normalisation{.temperature = 0.1};
  CHECK(std::abs(CrossEntropy{}(z, label, {0, 4}, gradient.view()) - 0.3618) <= 0.5e-4);
  normalisation.forward(z, halves, normalised.view());
  auto const want = row_of({10, 40.0 / 3.0, 0, 10.0 / 3.0});
  for (Index c = 0; c < 4; ++c) { CHECK(std::abs(normalised(0, c) - want(0, c)) <= 1e-5); }  // the 1e-7 in each length
  CHECK(std::abs(CrossEntropy{}(normalised, label, {0, 4}, gradient.view()) - 0.0351) <= 0.5e-4);
  normalisation.backward(z, halves, gradient, gradient.view());
  CHECK(std::abs(gradient(0, 0) - 0.12634) <= 0.5e-5);
  CHECK(std::abs(gradient(0, 1) - -0.09959) <= 0.5e-5);
  CHECK(std::abs(gradient(0, 2) - 5.2e-6) <= 0.05e-6);
  CHECK(std::abs(gradient(0, 3) - 0.01936) <= 0.5e-5);
}

TEST_CASE("a block of zeros has no direction to be pulled in") {
  auto const z = row_of({0, 0, 2, 1});
  std::vector<Index> const halves{2, 2};
  Matrix<double> normalised({1, 4});
  LogitNormalisation{}.forward(z, halves, normalised.view());
  Matrix<double> gradient = row_of({1, 2, 3, 4});
  LogitNormalisation{}.backward(z, halves, gradient, gradient.view());
  CHECK(std::all_of(gradient.begin(), gradient.end(), [](double g) { return std::isfinite(g); }));
  CHECK(gradient(0, 1) == 2.0 * gradient(0, 0));
}

TEST_CASE("losses that do not fit are refused, and the gradient stays") {
  Case<double> c;
  auto const before = c.gradient;
  Matrix<double> narrow({6, 10});
  auto far = c.labels;
  far[3] = 8;
  CHECK_THROWS_WITH_AS(CrossEntropy{}(c.logits, far, valid, c.gradient.view()), "CrossEntropy: label 8 lies outside of the valid columns [3, 8)", ValueError);
  CHECK_THROWS_AS(CrossEntropy{}(c.logits, c.labels, {3, 9}, c.gradient.view()), ShapeError);
  CHECK_THROWS_AS(CrossEntropy{}(c.logits, c.labels, {3, 0}, c.gradient.view()), ShapeError);
  CHECK_THROWS_AS(CrossEntropy{}(narrow, c.labels, valid, c.gradient.view()), ShapeError);
  CHECK_THROWS_AS(CrossEntropy{.smoothing = 1.0}(c.logits, c.labels, valid, c.gradient.view()), ValueError);
  CHECK_THROWS_AS(CrossEntropy{}.soft(c.logits, Matrix<double>({6, 4}), valid, c.gradient.view()), ShapeError);
  far.pop_back();
  CHECK_THROWS_AS(SymmetricCrossEntropy{}(c.logits, far, valid, c.gradient.view()), ShapeError);
  std::vector<Index> const few{3, 5};
  CHECK_THROWS_AS(LogitNormalisation{}.forward(c.logits, few, c.gradient.view()), ShapeError);
  CHECK_THROWS_AS(LogitNormalisation{.temperature = 0.0}.forward(c.logits, blocks, c.gradient.view()), ValueError);
  CHECK(same_bits(c.gradient, before));
}

TEST_CASE("mixup: a share by the beta distribution, partners in a permutation, targets that follow the pictures") {
  Mixup const mixup{.strength = 0.5, .smoothing = 0.1};
  auto const drawn = mixup.draw(7, 0, 3, 12, 4);
  auto sorted = drawn.partner;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == std::vector<Index>{0, 1, 2, 3});
  CHECK(mixup.draw(7, 0, 3, 12, 4).share == drawn.share);
  CHECK(mixup.draw(7, 0, 3, 13, 4).share != drawn.share);
  CHECK(Mixup{.strength = 0.0}.draw(7, 0, 3, 12, 4).share == 1.0);

  MixupDraw const given{0.75, {1, 2, 0}};
  Matrix<double> targets({3, 5});
  mixup.targets(given, std::vector<Index>{4, 0, 4}, targets.view());
  CHECK(targets(0, 4) == doctest::Approx(0.02 + 0.9 * 0.75));
  CHECK(targets(0, 0) == doctest::Approx(0.02 + 0.9 * 0.25));
  CHECK(targets(0, 1) == doctest::Approx(0.02));
  CHECK(targets(2, 4) == doctest::Approx(0.92));
  CHECK_THROWS_AS(mixup.targets(given, std::vector<Index>{4, 0, 5}, targets.view()), ValueError);

  Tensor<float, 4> pictures({3, 3, 1, 2});
  for (Index i = 0; i < pictures.size(); ++i) { pictures.data()[i] = static_cast<float>(i); }
  Tensor<float, 4> mixed(pictures.shape());
  Mixup::images(given, pictures, mixed);
  CHECK(mixed(0, 2, 0, 1) == 0.75F * 5.0F + 0.25F * 11.0F);
  CHECK(mixed(2, 0, 0, 0) == 0.75F * 12.0F);
}

TEST_CASE("mixup's shares have the moments of the beta distribution") {
  for (double const strength : {0.2, 1.0, 3.0}) {
    CAPTURE(strength);
    constexpr Index count = 20000;
    double sum = 0.0;
    double squares = 0.0;
    for (Index batch = 0; batch < count; ++batch) {
      double const share = Mixup{.strength = strength}.draw(1, 0, 0, batch, 0).share;
      sum += share;
      squares += (share - 0.5) * (share - 0.5);
    }
    double const variance = 0.25 / (2.0 * strength + 1.0);
    CHECK(std::abs(sum / count - 0.5) <= 5.0 * std::sqrt(variance / count));  // five standard errors
    CHECK(std::abs(squares / count - variance) <= 5.0 * std::sqrt(variance * 0.25 / count));
  }
}

}  // namespace accrete::test::loss_test
