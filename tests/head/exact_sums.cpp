#include "support/compare.hpp"

#include <accrete/core/rng.hpp>
#include <accrete/head/exact_sums.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

namespace accrete::test::exact_sums_test {

namespace {

/// Floats over 40 binary orders of magnitude, of both signs.
std::vector<float> wild_floats(std::size_t count) {
  Rng const random({.seed = 4});
  Rng const exponent({.seed = 5});
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) { values.push_back(std::ldexp(random.normal(i), static_cast<int>(exponent.word(i) % 40) - 28)); }
  return values;
}

}  // namespace

TEST_CASE("exact sums have the same bits in any order and however they are cut and merged") {
  auto const values = wild_floats(3000);
  ExactSums forward({1, 1});
  for (float const value : values) { forward.add(0, &value); }
  for (std::uint64_t seed = 1; seed < 6; ++seed) {
    auto const order = Rng({.seed = seed}).permutation(3000);
    ExactSums parts({7, 1});
    for (std::size_t i = 0; i < order.size(); ++i) { parts.add(static_cast<Index>(i * i % 7), &values[static_cast<std::size_t>(order[i])]); }
    ExactSums whole({1, 1});
    for (Index const part : {3, 0, 6, 1, 5, 2, 4}) { whole.add(0, parts, part); }
    CHECK(same_bits(whole.high(), forward.high()));
    CHECK(same_bits(whole.low(), forward.low()));
  }
}

TEST_CASE("an exact sum is the sum of its terms") {
  // All terms are multiples of 2^-60 below 2^12 in size: a 128-bit integer holds their sum.
  auto const values = wild_floats(2000);
  ExactSums sums({1, 1});
  __extension__ typedef __int128 Wide;
  Wide want = 0;
  for (float const value : values) {
    sums.add(0, &value);
    want += static_cast<Wide>(std::ldexp(static_cast<double>(value), 60));
  }
  Wide const got = static_cast<Wide>(std::ldexp(sums.high()(0, 0), 60)) + static_cast<Wide>(std::ldexp(sums.low()(0, 0), 60));
  CHECK(got == want);
  CHECK(std::abs(sums.low()(0, 0)) <= std::abs(sums.high()(0, 0)) * 0x1p-53);
}

TEST_CASE("terms too small for the grid are rounded one by one, so order still does not matter") {
  std::vector<float> const values{1e-30F, 3.0F, -2e-22F, 0x1p-74F, 0x1.8p-75F, -3.0F, 1e-38F};
  ExactSums forward({1, 1});
  ExactSums backward({1, 1});
  for (std::size_t i = 0; i < values.size(); ++i) {
    forward.add(0, &values[i]);
    backward.add(0, &values[values.size() - 1 - i]);
  }
  CHECK(forward(0, 0) == backward(0, 0));
  CHECK(same_bits(forward.low(), backward.low()));
}

TEST_CASE("rows are rearranged with both halves") {
  auto const values = wild_floats(6);
  ExactSums sums({3, 2});
  for (Index row = 0; row < 3; ++row) { sums.add(row, &values[static_cast<std::size_t>(2 * row)]); }
  ExactSums moved = sums;
  std::vector<Index> const from{2, -1, 0};
  moved.arrange(from, 2);
  CHECK(moved.rows() == 3);
  CHECK(moved(0, 1) == sums(2, 1));
  CHECK(moved(1, 0) == 0.0);
  CHECK(moved(2, 0) == sums(0, 0));
}

}  // namespace accrete::test::exact_sums_test
