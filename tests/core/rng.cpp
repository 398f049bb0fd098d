#include "support/tolerances.hpp"

#include <accrete/core/rng.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

namespace accrete {
namespace {

constexpr RngKey full_key{.seed = 0x0123456789ABCDEFU, .purpose = Purpose::projection, .task = 7, .epoch = 11, .object = 0xFEDCBA9876543210U};

TEST_CASE("Philox gives the known answers of the Random123 distribution") {
  using Counter = Philox4x32::Counter;
  constexpr std::uint32_t ones = 0xFFFFFFFFU;
  CHECK(Philox4x32::block({0, 0, 0, 0}, {0, 0}) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(Philox4x32::block({ones, ones, ones, ones}, {ones, ones}) == Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(Philox4x32::block({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) == Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

// The numbers come from tests/core/reference.py.
TEST_CASE("every field of the key and both halves of the element's number reach the words") {
  Rng const rng(full_key);
  CHECK(rng.word(0) == 0x8281d2afU);
  CHECK(rng.word(1) == 0x44f33973U);
  CHECK(rng.word(2) == 0xb7211d8fU);
  CHECK(rng.word(3) == 0x4ceb8c45U);
  CHECK(rng.word(4) == 0x3326e567U);
  CHECK(rng.word((std::uint64_t{1} << 35U) + 1) == 0x220ecc23U);
}

TEST_CASE("keys that differ in one field give different streams") {
  std::vector<RngKey> keys(6, full_key);
  keys[1].seed ^= std::uint64_t{1} << 63U;
  keys[2].purpose = Purpose::dropout;
  ++keys[3].task;
  ++keys[4].epoch;
  keys[5].object ^= std::uint64_t{1} << 63U;
  for (std::size_t a = 0; a < keys.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) { CHECK(Rng(keys[a]).word(0) != Rng(keys[b]).word(0)); }
  }
}

TEST_CASE("uniform numbers are the reference's to the bit") {
  Rng const rng(full_key);
  CHECK(rng.uniform(0) == 0x1.0503a5513cce5p-1);
  CHECK(rng.uniform(1) == 0x1.6e423b133ae31p-1);
  CHECK(rng.uniform(2) == 0x1.99372b74aca48p-3);
  CHECK(rng.uniform(std::uint64_t{1} << 40U) == 0x1.cce7c53d3e6c4p-2);
}

TEST_CASE("normal numbers are the reference's rounded to float") {
  Rng const rng(full_key);
  std::map<std::uint64_t, double> const expected{{0, -0.14068532691159488},
                                                 {1, 1.152261663963605},
                                                 {2, -0.25522924719884243},
                                                 {3, 0.777706482555301},
                                                 {4, -1.725756345727935},
                                                 {5, 0.4924623501553468},
                                                 {std::uint64_t{1} << 33U, -0.08348586520692373}};
  for (auto const& [element, value] : expected) { CHECK(std::abs(static_cast<double>(rng.normal(element)) - value) <= test::tolerance<float>(test::Kind::elementwise) * std::abs(value)); }
}

TEST_CASE("filling gives the bits of the single numbers from any first element on") {
  Rng const rng(full_key);
  for (std::uint64_t first = 0; first < 9; ++first) {
    for (Index count = 0; count < 13; ++count) {
      Vector<float> filled(Shape<1>{count});
      rng.fill_normal(first, filled);
      for (Index i = 0; i < count; ++i) { CHECK(filled[i] == rng.normal(first + static_cast<std::uint64_t>(i))); }
    }
  }
}

TEST_CASE("filling with uniforms gives the bits of the single numbers, beyond 32 bits too") {
  Rng const rng(full_key);
  for (std::uint64_t const first : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{6}, (std::uint64_t{1} << 33U) - 5}) {
    for (Index const count : {Index{0}, Index{1}, Index{31}, Index{32}, Index{33}, Index{100}}) {
      Vector<double> filled(Shape<1>{count});
      rng.fill_uniform(first, filled);
      for (Index i = 0; i < count; ++i) { CHECK(filled[i] == rng.uniform(first + static_cast<std::uint64_t>(i))); }
    }
  }
}

TEST_CASE("normal numbers have the moments and the tails of a normal distribution") {
  Index const count = 1 << 20;
  Vector<float> drawn(Shape<1>{count});
  Rng({.seed = 5}).fill_normal(0, drawn);
  double sum = 0.0;
  double squares = 0.0;
  double fourth = 0.0;
  Index beyond_three = 0;
  for (float const value : drawn) {
    double const square = static_cast<double>(value) * static_cast<double>(value);
    sum += static_cast<double>(value);
    squares += square;
    fourth += square * square;
    beyond_three += std::abs(value) > 3.0F ? 1 : 0;
  }
  // Five standard deviations of each estimate; the seed is fixed, so this never flickers.
  double const n = static_cast<double>(count);
  CHECK(std::abs(sum / n) < 5.0 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1.0) < 5.0 * std::sqrt(2.0 / n));
  CHECK(std::abs(fourth / n - 3.0) < 5.0 * std::sqrt(96.0 / n));
  CHECK(std::abs(static_cast<double>(beyond_three) / n - 0.0026998) < 5.0 * std::sqrt(0.0027 / n));
}

TEST_CASE("a permutation is the reference's, and of any length a permutation") {
  CHECK(Rng(full_key).permutation(12) == std::vector<Index>{4, 8, 5, 0, 11, 9, 3, 1, 10, 7, 2, 6});
  for (Index const n : {0, 1, 2, 3, 100, 1000}) {
    auto order = Rng(full_key).permutation(n);
    std::sort(order.begin(), order.end());
    for (Index i = 0; i < n; ++i) { CHECK(order[static_cast<std::size_t>(i)] == i); }
    CHECK(static_cast<Index>(order.size()) == n);
  }
}

TEST_CASE("draws that would favour some places are rejected, as in the reference") {
  auto const order = Rng(full_key).permutation(200000);
  std::uint64_t checksum = 0;
  for (std::size_t i = 0; i < order.size(); ++i) { checksum += static_cast<std::uint64_t>(order[i]) * (i + 1); }
  CHECK(checksum == 2000431730043030U);
}

TEST_CASE("all orders of four are drawn equally often") {
  std::map<std::vector<Index>, int> counts;
  int const draws = 24000;
  for (std::uint64_t object = 0; object < static_cast<std::uint64_t>(draws); ++object) { ++counts[Rng({.seed = 9, .object = object}).permutation(4)]; }
  CHECK(counts.size() == 24);
  double chi_square = 0.0;
  for (auto const& [order, count] : counts) { chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0; }
  CHECK(chi_square < 49.7);  // exceeded by chance once in a thousand seeds (23 degrees of freedom)
}

TEST_CASE("a negative length is refused") {
  CHECK_THROWS_AS(static_cast<void>(Rng(full_key).permutation(-1)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(Rng(full_key).permutation(Index{1} << 32)), ShapeError);
}

}  // namespace
}  // namespace accrete
