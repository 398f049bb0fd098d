#include <accrete/host/simd.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace accrete::test::simd_test {
namespace {
namespace simd = accrete::host::simd;
}  // namespace

TEST_CASE_TEMPLATE("a square of lanes is transposed in registers", T, float, double) {
  constexpr int width = simd::lanes<T>;
  simd::Vec<T> rows[static_cast<std::size_t>(width)];
  for (int i = 0; i < width; ++i) {
    for (int j = 0; j < width; ++j) { rows[i][j] = static_cast<T>(100 * i + j); }
  }
  simd::transpose<T>(rows);
  for (int i = 0; i < width; ++i) {
    for (int j = 0; j < width; ++j) { CHECK(static_cast<T>(rows[i][j]) == static_cast<T>(100 * j + i)); }
  }
}

TEST_CASE_TEMPLATE("parts of vectors are loaded and stored without touching what lies behind", T, float, double) {
  constexpr Index width = simd::lanes<T>;
  std::vector<T> const from{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
  for (Index count = 0; count <= width; ++count) {
    auto const v = simd::load_part(from.data(), count);
    for (Index i = 0; i < width; ++i) { CHECK(static_cast<T>(v[i]) == (i < count ? from[static_cast<std::size_t>(i)] : T{0})); }
    std::vector<T> to(from.size(), T{-1});
    simd::store_part(to.data(), simd::load(from.data()), count);
    for (std::size_t i = 0; i < to.size(); ++i) { CHECK(to[i] == (static_cast<Index>(i) < count ? from[i] : T{-1})); }
  }
}

TEST_CASE_TEMPLATE("lanes are summed and compared to one value", T, float, double) {
  auto const numbers = simd::lane_numbers<T>();
  CHECK(simd::sum_of_lanes<T>(numbers) == static_cast<T>(simd::lanes<T> * (simd::lanes<T> - 1) / 2));
  CHECK(simd::largest_lane<T>(numbers) == static_cast<T>(simd::lanes<T> - 1));
  CHECK(simd::largest_lane<T>(-numbers) == T{0});
}

TEST_CASE_TEMPLATE("the larger and the smaller of two lanes are those of the choice written out, NaN and the sign of zero included", T, float, double) {
  std::vector<T> const numbers{T{-2}, T{-0.0}, T{0}, T{3}, std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()};
  auto const same = [](T got, T want) { return std::isnan(want) ? std::isnan(got) : got == want && std::signbit(got) == std::signbit(want); };
  for (T const a : numbers) {
    for (T const b : numbers) {
      CHECK(same(simd::larger(simd::broadcast(a), simd::broadcast(b))[0], a > b ? a : b));
      CHECK(same(simd::smaller(simd::broadcast(a), simd::broadcast(b))[0], a < b ? a : b));
    }
  }
}

TEST_CASE("the magnitude of a lane") {
  for (float const v : {-2.5F, -0.0F, 0.0F, 7.0F}) {
    auto const size = simd::magnitude(simd::broadcast(v));
    CHECK(static_cast<float>(size[0]) == std::abs(v));
    CHECK_FALSE(std::signbit(static_cast<float>(size[0])));
  }
}

TEST_CASE("bfloat16 is rounded and widened in vectors as it is one by one") {
  constexpr int width = simd::lanes<float>;
  for (std::uint64_t start = 0; start < (std::uint64_t{1} << 32U); start += 65521U * static_cast<std::uint64_t>(width)) {
    float wide[width];
    for (int i = 0; i < width; ++i) { wide[i] = std::bit_cast<float>(static_cast<std::uint32_t>(start + 65521U * static_cast<std::uint64_t>(i))); }
    bfloat16 narrow[width];
    simd::store_narrow(narrow, simd::load(wide));
    auto const back = simd::load_wide(narrow);
    for (int i = 0; i < width; ++i) {
      REQUIRE(narrow[i] == to_bfloat16(wide[i]));
      REQUIRE(std::bit_cast<std::uint32_t>(static_cast<float>(back[i])) == std::bit_cast<std::uint32_t>(to_float(narrow[i])));
    }
  }
}

}  // namespace accrete::test::simd_test
