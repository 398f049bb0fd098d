#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/train/loss/orthogonality.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace accrete::test::orthogonality_test {

TEST_CASE_TEMPLATE("the loss of two orthogonal rows", Exec, ACCRETE_HOST_EXECUTORS) {
  auto unit = Matrix<double>::zeros({2, 2});
  unit(0, 0) = unit(1, 1) = 1.0;
  auto d = Matrix<double>::zeros({2, 2});
  CHECK(Orthogonality{}(Exec{}, {}, unit.cview(), d.view()) / 0.02519 == doctest::Approx(1.0).epsilon(1e-3));
  CHECK(Orthogonality{.weight = 1.0}(Exec{}, {}, unit.cview(), d.view()) / 0.2519 == doctest::Approx(1.0).epsilon(1e-3));
  // One row of a stored mean is as good as one of the batch.
  auto one = Matrix<double>::zeros({1, 2});
  CHECK(Orthogonality{.weight = 1.0}(Exec{}, unit.cview().slice(0, 1), unit.cview().slice(1, 1), one.view()) / 0.2519 == doctest::Approx(1.0).epsilon(1e-3));
}

TEST_CASE_TEMPLATE("its gradient is that of central differences, and is added", Exec, ACCRETE_HOST_EXECUTORS) {
  for (Index const known : {0, 3}) {
    auto const means = random_matrix<double>(known, 6, 1);
    auto features = random_matrix<double>(4, 6, 2);
    auto const loss = [&] {
      Matrix<double> unused({4, 6});
      return Orthogonality{}(Exec{}, means.cview(), features.cview(), unused.view());
    };
    auto d = Matrix<double>::zeros({4, 6});
    Orthogonality{}(Exec{}, means.cview(), features.cview(), d.view());
    auto const want = central_differences(features.view().reshaped<1>({24}), loss);
    CHECK(relative_difference(d.view().reshaped<1>({24}), want) <= tolerance<double>(Kind::loss_differences));
    auto const once = d;
    Orthogonality{}(Exec{}, means.cview(), features.cview(), d.view());
    for (Index i = 0; i < d.size(); ++i) { CHECK(d.data()[i] == 2.0 * once.data()[i]); }
  }
}

TEST_CASE("long features neither overflow nor pull") {
  auto features = random_matrix<float>(4, 16, 3);
  for (float& x : features) { x *= 1e3F; }
  auto d = Matrix<float>::zeros({4, 16});
  double const loss = Orthogonality{}(HostExecutor<EigenProducts>{}, {}, features.cview(), d.view());
  CHECK(loss == 0.0);
  CHECK(std::all_of(d.begin(), d.end(), [](float x) { return x == 0.0F; }));
}

TEST_CASE("what does not fit is refused") {
  HostExecutor<EigenProducts> const exec;
  auto const features = random_matrix<double>(2, 4, 3);
  Matrix<double> d({2, 3});
  CHECK_THROWS_AS(Orthogonality{}(exec, {}, features.cview(), d.view()), ShapeError);
  CHECK_THROWS_AS(Orthogonality{}(exec, random_matrix<double>(1, 5, 3).cview(), features.cview(), d.view()), ShapeError);
  Matrix<double> fits({2, 4});
  CHECK_THROWS_AS(Orthogonality{.temperature = 0.0}(exec, {}, features.cview(), fits.view()), ValueError);
}

}  // namespace accrete::test::orthogonality_test
