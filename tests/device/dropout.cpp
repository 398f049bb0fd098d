#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/dropout.hpp>

#include <doctest/doctest.h>

#include <limits>

namespace accrete::test::dropout_test {
namespace {

template <class T, class Exec>
void check_dropout(Exec const& exec, double rate) {
  CAPTURE(rate);
  Rng const rng({.seed = 240, .purpose = Purpose::dropout, .task = 3, .object = 5});
  auto const x = normal<T>(241, Shape<2>{40, 50});
  Matrix<double> want({40, 50});
  Index dropped = 0;
  for (Index i = 0; i < 40; ++i) {
    for (Index j = 0; j < 50; ++j) {
      bool const inside = j >= 10 && j < 45;
      bool const stays = !inside || rng.uniform(static_cast<std::uint64_t>(i * 35 + j - 10)) >= rate;
      dropped += stays ? 0 : 1;
      want(i, j) = stays ? widened(x(i, j)) / (inside ? 1.0 - rate : 1.0) : 0.0;
    }
  }
  auto there = on_device(exec, x);
  kernels::dropout(exec, rng, rate, columns(there.view(), 10, 35));
  auto const got = on_host(exec, there);
  CHECK(relative_difference(got, want) <= tolerance<T>(Kind::elementwise));
  for (Index i = 0; i < got.size(); ++i) { CHECK((widened(got.data()[i]) == 0.0) == (want.data()[i] == 0.0)); }  // exactly the same elements
  CHECK(static_cast<double>(dropped) >= 0.8 * rate * 1400.0);
  CHECK(static_cast<double>(dropped) <= 1.2 * rate * 1400.0);
}
}  // namespace

TEST_CASE_TEMPLATE("a device drops the elements that the stream names, and scales the rest", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (double const rate : {0.0, 0.1, 0.5}) {
    check_dropout<float>(exec, rate);
    check_dropout<double>(exec, rate);
    check_dropout<bfloat16>(exec, rate);
  }
}

TEST_CASE_TEMPLATE("a device drops what is not a number as well", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  Rng const rng({.seed = 242, .purpose = Purpose::dropout});
  Matrix<float> x({1, 64});
  std::fill(x.begin(), x.end(), std::numeric_limits<float>::infinity());
  auto there = on_device(exec, x);
  kernels::dropout(exec, rng, 0.5, there.view());
  auto const got = on_host(exec, there);
  for (Index j = 0; j < 64; ++j) { CHECK(got(0, j) == (rng.uniform(static_cast<std::uint64_t>(j)) >= 0.5 ? std::numeric_limits<float>::infinity() : 0.0F)); }
}

}  // namespace accrete::test::dropout_test
