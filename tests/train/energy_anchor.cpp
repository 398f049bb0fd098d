#include "support/compare.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/train/loss/energy_anchor.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace accrete::test::energy_anchor_test {

namespace {

constexpr ColumnRange valid{2, 4};

double anchor_of(EnergyAnchor const& loss, Matrix<double> const& logits, ColumnRange columns, std::vector<Index> const& labels) {
  Matrix<double> gradient(logits.shape());
  Matrix<double> plain(logits.shape());
  return loss(logits, labels, columns, gradient.view()) - CrossEntropy{}(logits, labels, columns, plain.view());
}

}  // namespace

TEST_CASE("the specification's numbers: both energies of (1, 2, 3)") {
  Matrix<double> z({1, 3});
  for (Index k = 0; k < 3; ++k) { z(0, k) = static_cast<double>(k + 1); }
  CHECK(std::abs(anchor_of({}, z, {0, 3}, {1}) - 11.219881) <= 0.5e-6);
  CHECK(std::abs(anchor_of({.energy = FreeEnergy::soft_max}, z, {0, 3}, {1}) - 4.345966) <= 0.5e-6);
  CHECK(std::abs(std::sqrt(anchor_of({.weight = 1.0, .level = 0.0}, z, {0, 3}, {1})) - 0.592394) <= 0.5e-6);
  CHECK(std::abs(std::sqrt(anchor_of({.weight = 1.0, .level = 0.0, .energy = FreeEnergy::soft_max}, z, {0, 3}, {1})) - 3.407606) <= 0.5e-6);
}

TEST_CASE("large logits have energies too") {
  auto z = Matrix<double>::zeros({1, 2});
  z(0, 0) = -2000.0;
  CHECK(anchor_of({.weight = 1.0, .level = 0.0}, z, {0, 2}, {1}) == doctest::Approx(4e6));
}

TEST_CASE("gradients are those of central differences, with exact zeros outside of the valid columns") {
  std::vector<Index> const labels{3, 2, 5, 4, 3};
  for (FreeEnergy const energy : {FreeEnergy::soft_min, FreeEnergy::soft_max}) {
    for (double const beta : {1.0, 0.3}) {
      EnergyAnchor const loss{.weight = 0.4, .level = -3.0, .beta = beta, .energy = energy};
      auto logits = random_matrix<double>(5, 7, 3);
      Matrix<double> gradient(logits.shape());
      auto const value = [&] { return loss(logits, labels, valid, gradient.view()); };
      auto const slopes = central_differences(logits.view().reshaped<1>({logits.size()}), value);
      value();
      CHECK(relative_difference(gradient.view().reshaped<1>({gradient.size()}), slopes) <= tolerance<double>(Kind::loss_differences));
      for (Index b = 0; b < 5; ++b) {
        for (Index c = 0; c < 7; ++c) { CHECK((valid.holds(c) || gradient(b, c) == 0.0)); }
      }
    }
  }
}

TEST_CASE("a beta that is not positive is refused, and the gradient stays what it was") {
  auto const logits = random_matrix<double>(1, 3, 1);
  Matrix<double> gradient({1, 3});
  gradient(0, 0) = 7.0;
  std::vector<Index> const label{0};
  CHECK_THROWS_AS(EnergyAnchor{.beta = 0.0}(logits, label, {0, 3}, gradient.view()), ValueError);
  CHECK(gradient(0, 0) == 7.0);
}

}  // namespace accrete::test::energy_anchor_test
