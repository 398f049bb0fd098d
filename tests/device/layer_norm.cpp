#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/layer_norm.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace accrete::test::layer_norm_test {
namespace {

template <class T>
Matrix<double> reference(Matrix<T> const& x, Vector<T> const& gain, Vector<T> const& offset, double epsilon) {
  Matrix<double> y(x.shape());
  for (Index i = 0; i < x.extent(0); ++i) {
    long double mean = 0;
    for (T const value : x[i]) { mean += static_cast<long double>(value) / x.extent(1); }
    long double variance = 0;
    for (T const value : x[i]) { variance += (static_cast<long double>(value) - mean) * (static_cast<long double>(value) - mean) / x.extent(1); }
    for (Index j = 0; j < x.extent(1); ++j) {
      y(i, j) = static_cast<double>((static_cast<long double>(x(i, j)) - mean) / std::sqrt(variance + epsilon)) * static_cast<double>(gain(j)) + static_cast<double>(offset(j));
    }
  }
  return y;
}

template <class T, class Exec>
void compare_with_reference(Exec const& exec, Index rows, Index width, double epsilon) {
  CAPTURE(width);
  auto x = normal<T>(20, Shape<2>{rows, width});
  for (T& value : x) { value = T{3} * value + T{2}; }
  auto const gain = normal<T>(21, Shape<1>{width});
  auto const offset = normal<T>(22, Shape<1>{width});
  auto const want = reference(x, gain, offset, epsilon);
  auto there = on_device(exec, x);
  auto const gain_there = on_device(exec, gain);
  auto const offset_there = on_device(exec, offset);
  Matrix<bfloat16, typename Exec::Memory> narrow(x.shape());
  kernels::layer_norm(exec, there.view(), gain_there.view(), offset_there.view(), epsilon, narrow.view());
  CHECK(relative_difference(on_host(exec, narrow), want) <= tolerance<bfloat16>(Kind::softmax));
  kernels::layer_norm(exec, there.view(), gain_there.view(), offset_there.view(), epsilon, there.view());  // in place
  CHECK(relative_difference(on_host(exec, there), want) <= tolerance<T>(Kind::softmax));
}

/// Gradients by the chain rule through mean and variance, in long double.
template <class T, class Exec>
void check_backward(Exec const& exec, Index rows, Index width) {
  CAPTURE(width);
  using Sum = SumScalar<T>;
  double const epsilon = 1e-5;
  auto x = normal<Sum>(260, Shape<2>{rows, width});
  for (Sum& value : x) { value = Sum{3} * value + Sum{2}; }
  auto const gain = normal<Sum>(261, Shape<1>{width});
  auto const dy = normal<T>(262, Shape<2>{rows, width});
  auto const before = normal<Sum>(263, Shape<2>{rows, width});
  auto const gains_before = normal<Sum>(264, Shape<1>{width});
  auto want = in_scalar<double>(before);
  auto want_gain = in_scalar<double>(gains_before);
  auto want_offset = in_scalar<double>(gains_before);
  for (Index i = 0; i < rows; ++i) {
    auto const n = static_cast<long double>(width);
    long double mean = 0;
    for (Sum const value : x[i]) { mean += static_cast<long double>(value) / n; }
    long double variance = 0;
    for (Sum const value : x[i]) { variance += (static_cast<long double>(value) - mean) * (static_cast<long double>(value) - mean) / n; }
    long double const root = std::sqrt(variance + static_cast<long double>(epsilon));
    long double d_variance = 0;
    long double d_mean = 0;
    for (Index j = 0; j < width; ++j) {
      long double const g = static_cast<long double>(gain(j)) * static_cast<long double>(widened(dy(i, j)));
      d_variance += g * (static_cast<long double>(x(i, j)) - mean) * -0.5L / (root * root * root);
      d_mean -= g / root;
      want_gain(j) += widened(dy(i, j)) * static_cast<double>((static_cast<long double>(x(i, j)) - mean) / root);
      want_offset(j) += widened(dy(i, j));
    }
    for (Index j = 0; j < width; ++j) {
      long double const g = static_cast<long double>(gain(j)) * static_cast<long double>(widened(dy(i, j)));
      want(i, j) += static_cast<double>(g / root + d_variance * 2 * (static_cast<long double>(x(i, j)) - mean) / n + d_mean / n);
    }
  }
  auto const x_there = on_device(exec, x);
  auto const gain_there = on_device(exec, gain);
  auto const dy_there = on_device(exec, dy);
  auto dx = on_device(exec, before);
  auto d_gain = on_device(exec, gains_before);
  auto d_offset = on_device(exec, gains_before);
  kernels::layer_norm_backward(exec, x_there.cview(), gain_there.cview(), epsilon, dy_there.cview(), RowsView<Sum>(dx.view()));
  kernels::layer_norm_parameter_gradients(exec, x_there.cview(), epsilon, dy_there.cview(), d_gain.view(), d_offset.view());
  CHECK(relative_difference(on_host(exec, dx), want) <= tolerance<Sum>(Kind::softmax));
  CHECK(relative_difference(on_host(exec, d_gain), want_gain) <= tolerance<Sum>(Kind::softmax));
  CHECK(relative_difference(on_host(exec, d_offset), want_offset) <= tolerance<Sum>(Kind::sum));
}
}  // namespace

TEST_CASE_TEMPLATE("a device layer norm equals the formula in both scalars", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const width : {2, 16, 37, 192, 768}) {
    compare_with_reference<float>(exec, 5, width, 1e-6);
    compare_with_reference<double>(exec, 5, width, 1e-12);
  }
}

TEST_CASE_TEMPLATE("a device layer norm of a constant row is the offset", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  Matrix<float> x({2, 24});
  std::fill(x.begin(), x.end(), 7.0F);
  auto const gain = normal<float>(23, Shape<1>{24});
  auto const offset = normal<float>(24, Shape<1>{24});
  auto there = on_device(exec, x);
  auto const gain_there = on_device(exec, gain);
  auto const offset_there = on_device(exec, offset);
  kernels::layer_norm(exec, there.view(), gain_there.view(), offset_there.view(), 1e-6, there.view());
  auto const y = on_host(exec, there);
  CHECK(same_bits(y[0], offset.cview()));
  CHECK(same_bits(y[1], offset.cview()));
}

TEST_CASE_TEMPLATE("a device layer norm of rows at a distance is the one of the rows alone", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const x = normal<float>(25, Shape<2>{13, 40});
  auto const gain = on_device(exec, normal<float>(26, Shape<1>{10}));
  auto const offset = on_device(exec, normal<float>(27, Shape<1>{10}));
  auto there = on_device(exec, x);
  auto const part = columns(there.view(), 20, 10);
  kernels::layer_norm(exec, part, gain.view(), offset.view(), 1e-6, part);
  auto const got = on_host(exec, there);
  for (Index i = 0; i < 13; ++i) {
    Matrix<float> row({1, 10});
    for (Index j = 0; j < 10; ++j) { row(0, j) = x(i, 20 + j); }
    auto row_there = on_device(exec, row);
    kernels::layer_norm(exec, row_there.view(), gain.view(), offset.view(), 1e-6, row_there.view());
    auto const alone = on_host(exec, row_there);
    for (Index j = 0; j < 40; ++j) { CHECK(got(i, j) == (j >= 20 && j < 30 ? alone(0, j - 20) : x(i, j))); }
  }
}

TEST_CASE_TEMPLATE("a device layer norm goes backwards by the chain rule", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const width : {5, 37, 192}) {
    check_backward<float>(exec, 70, width);
    check_backward<bfloat16>(exec, 70, width);
    check_backward<double>(exec, 70, width);
  }
}

TEST_CASE_TEMPLATE("a device layer norm of a row does not depend on the other rows", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const x = normal<float>(265, Shape<2>{9, 100});
  auto const gain = on_device(exec, normal<float>(266, Shape<1>{100}));
  auto const run = [&](Matrix<float> const& rows) {
    auto there = on_device(exec, rows);
    kernels::layer_norm(exec, there.view(), gain.view(), gain.view(), 1e-6, there.view());
    return on_host(exec, there);
  };
  auto const all = run(x);
  for (Index i = 0; i < 9; ++i) { CHECK(same_bits(run(chosen_rows(x, {i})), chosen_rows(all, {i}))); }
}

}  // namespace accrete::test::layer_norm_test
