#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/samples.hpp"
#include "support/slopes.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/layer_norm.hpp>

#include <doctest/doctest.h>

#include <cmath>

namespace accrete::test::layer_norm_backward_test {
namespace {

constexpr double epsilon = 1e-3;

/// One norm with what goes in, what comes from behind, and gradients that have already something in them.
template <class T>
struct Norm {
  using S = SumScalar<T>;
  Matrix<S> x;
  Vector<S> gain;
  Matrix<T> dy;
  Matrix<S> dx;
  Vector<S> d_gain;
  Vector<S> d_offset;

  Norm(Index rows, Index width)
      : x(normal<S>(1, Shape<2>{rows, width})),
        gain(normal<S>(2, Shape<1>{width})),
        dy(normal<T>(3, Shape<2>{rows, width})),
        dx(normal<S>(4, Shape<2>{rows, width})),
        d_gain(normal<S>(5, Shape<1>{width})),
        d_offset(normal<S>(6, Shape<1>{width})) {
    for (S& value : x) { value = S{3} * value + S{2}; }
  }

  /// The same with all gradients by the formulas of the definition in double.
  [[nodiscard]] Norm<double> expected() const {
    Norm<double> want(0, 0);
    want.dx = in_scalar<double>(dx);
    want.d_gain = in_scalar<double>(d_gain);
    want.d_offset = in_scalar<double>(d_offset);
    auto const d = in_scalar<double>(dy);
    auto const width = x.extent(1);
    auto const count = static_cast<double>(width);
    for (Index i = 0; i < x.extent(0); ++i) {
      double mean = 0.0;
      double variance = 0.0;
      for (S const value : x[i]) { mean += static_cast<double>(value) / count; }
      for (S const value : x[i]) { variance += std::pow(static_cast<double>(value) - mean, 2.0) / count; }
      double const r = 1.0 / std::sqrt(variance + epsilon);
      auto const xhat = [&](Index j) { return (static_cast<double>(x(i, j)) - mean) * r; };
      // The whole Jacobian: d y_k / d x_j = gain_k r ([k = j] - 1 / D - xhat_k xhat_j / D).
      for (Index j = 0; j < width; ++j) {
        double sum = 0.0;
        for (Index k = 0; k < width; ++k) { sum += d(i, k) * static_cast<double>(gain(k)) * r * ((k == j ? 1.0 : 0.0) - 1.0 / count - xhat(k) * xhat(j) / count); }
        want.dx(i, j) += sum;
        want.d_gain(j) += d(i, j) * xhat(j);
        want.d_offset(j) += d(i, j);
      }
    }
    return want;
  }

  template <class Exec>
  void run(Exec const& exec) {
    kernels::layer_norm_backward(exec, x.view(), gain, epsilon, dy.view(), dx.view());
    kernels::layer_norm_parameter_gradients(exec, x.view(), epsilon, dy.view(), d_gain, d_offset);
  }
};
}  // namespace

TEST_CASE_TEMPLATE("the gradients of a layer norm equal their formulas at every width", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  using S = SumScalar<T>;
  for (int const threads : {1, 2}) {
    for (Index const width : {2, 15, 16, 17, 64, 65, 192, 200}) {
      CAPTURE(width);
      Norm<T> norm(141, width);
      auto const want = norm.expected();
      norm.run(typename Case::Executor{.threads = threads});
      CHECK(relative_difference(norm.dx, want.dx) <= tolerance<S>(Kind::softmax));
      CHECK(relative_difference(norm.d_gain, want.d_gain) <= tolerance<S>(Kind::softmax));
      CHECK(relative_difference(norm.d_offset, want.d_offset) <= tolerance<S>(Kind::sum));
    }
  }
}

TEST_CASE_TEMPLATE("the gradients of a layer norm are central differences of the norm", Exec, ACCRETE_HOST_EXECUTORS) {
  Index const width = 13;
  Norm<double> norm(3, width);
  auto const offset = normal<double>(7, Shape<1>{width});
  Exec const exec;
  auto const loss = [&] {
    Matrix<double> y(norm.x.shape());
    kernels::layer_norm(exec, norm.x.view(), norm.gain, offset, epsilon, y.view());
    double sum = 0.0;
    for (Index i = 0; i < y.size(); ++i) { sum += y.data()[i] * norm.dy.data()[i]; }
    return sum;
  };
  auto want = norm.dx;
  for (Index i = 0; i < want.size(); ++i) { want.data()[i] += slope(norm.x.data()[i], loss); }
  auto want_gain = norm.d_gain;
  for (Index j = 0; j < width; ++j) { want_gain(j) += slope(norm.gain(j), loss); }
  norm.run(exec);
  CHECK(relative_difference(norm.dx, want) <= tolerance<double>(Kind::differences));
  CHECK(relative_difference(norm.d_gain, want_gain) <= tolerance<double>(Kind::differences));
}

TEST_CASE_TEMPLATE("the gradients of a layer norm have the same bits with any threads", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  Norm<T> want(900, 100);
  want.run(typename Case::Executor{.threads = 1});
  for (int const threads : {2, 5, 16}) {
    Norm<T> got(900, 100);
    got.run(typename Case::Executor{.threads = threads});
    CHECK(same_bits(got.dx, want.dx));
    CHECK(same_bits(got.d_gain, want.d_gain));
    CHECK(same_bits(got.d_offset, want.d_offset));
  }
}

TEST_CASE_TEMPLATE("the gradients of a layer norm name extents that do not fit", Exec, ACCRETE_HOST_EXECUTORS) {
  auto x = Matrix<float>::zeros({2, 4});
  auto dy = Matrix<float>::zeros({2, 3});
  auto four = Vector<float>::zeros({4});
  auto three = Vector<float>::zeros({3});
  CHECK_THROWS_WITH_AS(kernels::layer_norm_backward(Exec{}, x.view(), four, 1e-6, dy.view(), x.view()), doctest::Contains("2, 4, 2, 3"), ShapeError);
  CHECK_THROWS_AS(kernels::layer_norm_backward(Exec{}, x.view(), three, 1e-6, x.view(), x.view()), ShapeError);
  CHECK_THROWS_AS(kernels::layer_norm_backward(Exec{}, x.view(), four, -1.0, x.view(), x.view()), ShapeError);
  CHECK_THROWS_AS(kernels::layer_norm_parameter_gradients(Exec{}, x.view(), 1e-6, dy.view(), four, four), ShapeError);
  CHECK_THROWS_AS(kernels::layer_norm_parameter_gradients(Exec{}, x.view(), 1e-6, x.view(), three, four), ShapeError);
}

}  // namespace accrete::test::layer_norm_backward_test
