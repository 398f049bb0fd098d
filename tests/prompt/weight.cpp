#include "support/compare.hpp"
#include "support/head_gradients.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/prompt/weight/cosine.hpp>
#include <accrete/prompt/weight/entmax15.hpp>
#include <accrete/prompt/weight/softmax.hpp>
#include <accrete/prompt/weight/sparsemax.hpp>
#include <accrete/prompt/weight/top_k_softmax.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::test::weight_test {

namespace {

struct Nameless : SoftmaxWeights {
 private:
  using SoftmaxWeights::name;
};
static_assert(!HasWeightMapName<Nameless> && !WeightMap<Nameless>);

struct OneWay : SoftmaxWeights {
  void backward() const;
};
static_assert(MapsScores<OneWay> && !BackpropagatesWeights<OneWay> && !WeightMap<OneWay>);

struct Mute : SoftmaxWeights {
  void forward() const;
};
static_assert(!MapsScores<Mute> && !WeightMap<Mute>);

struct DoubleOnly : CosineWeights {
  template <class T, class = std::enable_if_t<std::is_same_v<T, double>>>
  void forward(std::span<T const> z, std::span<T> p) const {
    CosineWeights::forward(z, p);
  }
};
static_assert(!MapsScores<DoubleOnly> && !WeightMap<DoubleOnly>);
static_assert(!WeightMap<int> && !ScaledProjection<CosineWeights> && !HasSettings<CosineWeights>);

constexpr double printed = 1e-10;  // the specification has ten decimals; the tenth is not always rounded right

template <class T, class Map>
std::vector<T> weights_of(Map const& map, std::vector<T> const& z) {
  std::vector<T> p(z.size(), T(77));
  map.forward(z, std::span<T>(p));
  return p;
}

template <class T, class Map>
std::vector<T> gradient_of(Map const& map, std::vector<T> const& p, std::vector<T> const& g) {
  std::vector<T> dz(p.size(), T(77));
  map.backward(p, g, std::span<T>(dz));
  return dz;
}

template <class T>
double farthest(std::vector<T> const& got, std::vector<double> const& want) {
  REQUIRE(got.size() == want.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) { worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[i])); }
  return worst;
}

template <class T>
double sum(std::vector<T> const& x) {
  return std::accumulate(x.begin(), x.end(), 0.0);
}

/// Scores that look like cosines, with all gaps larger than what central differences need.
template <class T>
std::vector<T> scores(std::size_t count, std::uint64_t seed) {
  auto const drawn = normal<T, 1>(seed, {static_cast<Index>(count)});
  std::vector<T> z(drawn.begin(), drawn.end());
  for (T& x : z) { x *= T(0.2); }
  return z;
}

std::size_t support(std::vector<double> const& p) { return p.size() - static_cast<std::size_t>(std::count(p.begin(), p.end(), 0.0)); }

template <class Map>
Map unscaled() {
  Map map;
  map.temperature = 1.0;
  return map;
}

template <class Map>
void check_table(Map const& map, std::vector<double> const& p, std::vector<double> const& dz) {
  std::vector<double> const z{1.0, 0.6, -0.2, 0.1};
  std::vector<double> const g{1.0, 2.0, 3.0, 4.0};
  auto const got = weights_of(map, z);
  CHECK(farthest(got, p) <= printed);
  CHECK(farthest(gradient_of(map, got, g), dz) <= printed);
  for (std::size_t i = 0; i < p.size(); ++i) { CHECK((got[i] == 0.0) == (p[i] == 0.0)); }
  // In float the gradient differs by the rounding of the weights it starts from.
  std::vector<float> const narrow = weights_of(map, std::vector<float>(z.begin(), z.end()));
  CHECK(farthest(narrow, p) <= tolerance<float>(Kind::softmax));
  CHECK(farthest(gradient_of(map, narrow, std::vector<float>(g.begin(), g.end())), dz) <= tolerance<float>(Kind::softmax));
}

}  // namespace

#define SIMPLEX_MAPS SoftmaxWeights, TopKSoftmaxWeights, SparsemaxWeights, Entmax15Weights

TEST_CASE("weights and gradients are those of the specification's table") {
  check_table(unscaled<SoftmaxWeights>(), {0.4205066073, 0.2818740083, 0.1266541562, 0.1709652282}, {-0.4407237262, -0.0135519401, 0.1205648770, 0.3337107893});
  check_table(unscaled<SparsemaxWeights>(), {0.7, 0.3, 0.0, 0.0}, {-0.5, 0.5, 0.0, 0.0});
  check_table(unscaled<Entmax15Weights>(), {0.5721137641, 0.3095609551, 0.0244553370, 0.0938699438}, {-0.7618195566, -0.0039997595, 0.1552578122, 0.6105615039});
  check_table(TopKSoftmaxWeights{.k = 2, .temperature = 1.0}, {0.5986876601, 0.4013123399, 0.0, 0.0}, {-0.2402607457, 0.2402607457, 0.0, 0.0});
}

TEST_CASE("entmax gives small scores nothing; a saturated map has no gradient") {
  CHECK(farthest(weights_of<double>(unscaled<Entmax15Weights>(), {1.0, 0.5, -1.0}), {0.6739926364, 0.3260073636, 0.0}) <= printed);
  CHECK(farthest(weights_of<double>(unscaled<Entmax15Weights>(), {1.0, 0.0, -1.0}), {0.8307189139, 0.1692810861, 0.0}) <= printed);
  auto const saturated = weights_of<double>(unscaled<SparsemaxWeights>(), {1.0, 0.0, -1.0});
  CHECK(saturated == std::vector<double>{1.0, 0.0, 0.0});
  CHECK(gradient_of<double>(unscaled<SparsemaxWeights>(), saturated, {5.0, -7.0, 3.0}) == std::vector<double>{0.0, 0.0, 0.0});
}

TEST_CASE_TEMPLATE("cosines are weights as they are, negative ones included", T, float, double) {
  std::vector<T> const z{T(0.5), T(-0.25), T(0)};
  std::vector<T> const g{T(1), T(-2), T(3)};
  CHECK(weights_of(CosineWeights{}, z) == z);
  CHECK(gradient_of(CosineWeights{}, z, g) == g);
}

TEST_CASE_TEMPLATE("weights lie on the simplex, keep the order, and do not see a number added to all scores", Map, SIMPLEX_MAPS) {
  for (double const temperature : {0.05, 0.1, 0.5, 3.0}) {
    for (std::size_t const count : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{100}}) {
      CAPTURE(temperature);
      CAPTURE(count);
      Map map;
      map.temperature = temperature;
      auto const z = scores<double>(count, 3);
      auto const p = weights_of(map, z);
      CHECK(std::all_of(p.begin(), p.end(), [](double x) { return x >= 0.0; }));
      CHECK(std::abs(sum(p) - 1.0) <= tolerance<double>(Kind::softmax));
      bool ordered = true;
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < count; ++j) { ordered = ordered && (z[i] < z[j] || p[i] >= p[j]); }
      }
      CHECK(ordered);
      auto shifted = z;
      for (double& x : shifted) { x += 8.0; }
      CHECK(farthest(weights_of(map, shifted), p) <= tolerance<double>(Kind::softmax));
      auto const dz = gradient_of(map, p, scores<double>(count, 4));
      double const largest = std::abs(*std::max_element(dz.begin(), dz.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
      CHECK(std::abs(sum(dz)) <= tolerance<double>(Kind::softmax) * std::max(largest, 1.0));
      for (std::size_t i = 0; i < count; ++i) { CHECK((p[i] != 0.0 || dz[i] == 0.0)); }
    }
  }
}

TEST_CASE_TEMPLATE("equal scores share alike", Map, SoftmaxWeights, SparsemaxWeights, Entmax15Weights) {
  for (std::size_t const count : {std::size_t{1}, std::size_t{3}, std::size_t{100}}) {
    auto const p = weights_of(Map{}, std::vector<double>(count, 0.7));
    CHECK(farthest(p, std::vector<double>(count, 1.0 / static_cast<double>(count))) <= tolerance<double>(Kind::softmax));
  }
}

TEST_CASE("the k largest are chosen, of equal ones the first") {
  TopKSoftmaxWeights const three{.k = 3};
  CHECK(farthest(weights_of(three, std::vector<double>(5, 0.7)), {1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.0, 0.0}) <= tolerance<double>(Kind::softmax));
  auto const p = weights_of<double>(three, {0.1, 0.5, 0.2, 0.5, 0.2, 0.2});
  CHECK(p[0] == 0.0);
  CHECK(p[1] == p[3]);
  CHECK(p[2] > 0.0);
  CHECK(p[4] == 0.0);
  CHECK(p[5] == 0.0);
  auto const z = scores<double>(40, 5);
  CHECK(support(weights_of(TopKSoftmaxWeights{}, z)) == 10);
  CHECK(support(weights_of(TopKSoftmaxWeights{.k = 1}, z)) == 1);
  for (Index const all : {Index{40}, Index{41}, Index{1'000'000}}) { CHECK(weights_of(TopKSoftmaxWeights{.k = all}, z) == weights_of(SoftmaxWeights{}, z)); }
}

TEST_CASE("the sparser the map, the fewer weights") {
  auto const z = scores<double>(100, 6);
  auto const dense = support(weights_of(SoftmaxWeights{}, z));
  auto const between = support(weights_of(Entmax15Weights{}, z));
  auto const sparse = support(weights_of(SparsemaxWeights{}, z));
  CHECK(dense == 100);
  CHECK(between < dense);
  CHECK(sparse < between);
  CHECK(sparse > 1);
}

TEST_CASE_TEMPLATE("the gradient is that of central differences", Map, CosineWeights, SIMPLEX_MAPS) {
  for (std::uint64_t const seed : {11U, 12U, 13U}) {
    CAPTURE(seed);
    Map map;
    if constexpr (HasWeightScales<Map>) {
      map.temperature = 0.3;
      map.gain = 2.5;
    }
    if constexpr (std::is_same_v<Map, TopKSoftmaxWeights>) { map.k = 5; }
    auto z = scores<double>(12, seed);
    auto const g = scores<double>(12, seed + 100);
    VectorView<double> const varied(z.data(), {12});
    auto const want = central_differences(varied, [&] {
      auto const p = weights_of(map, z);
      return std::inner_product(p.begin(), p.end(), g.begin(), 0.0);
    });
    auto const got = gradient_of(map, weights_of(map, z), g);
    CHECK(relative_difference(VectorView<double const>(got.data(), {12}), want) <= tolerance<double>(Kind::loss_differences));
  }
}

TEST_CASE_TEMPLATE("the temperature divides the scores, the gain multiplies the weights", Map, SIMPLEX_MAPS) {
  auto const z = scores<double>(12, 21);
  auto const g = scores<double>(12, 22);
  auto const plain = unscaled<Map>();
  auto divided = z;
  for (double& x : divided) { x /= 0.25; }
  auto const want = weights_of(plain, divided);
  auto const want_gradient = gradient_of(plain, want, g);

  Map scaled;
  scaled.temperature = 0.25;
  scaled.gain = 3.0;
  auto const p = weights_of(scaled, z);
  auto const dz = gradient_of(scaled, p, g);
  for (std::size_t i = 0; i < z.size(); ++i) {
    CHECK(std::abs(p[i] - 3.0 * want[i]) <= 3.0 * tolerance<double>(Kind::softmax));
    CHECK(std::abs(dz[i] - 12.0 * want_gradient[i]) <= 12.0 * tolerance<double>(Kind::softmax));
  }
  CHECK(Map{}.temperature == 0.1);
  CHECK(Map{}.gain == 1.0);
}

TEST_CASE_TEMPLATE("float takes the double's way", Map, SIMPLEX_MAPS) {
  auto const narrow = scores<float>(100, 31);
  auto const g = scores<float>(100, 32);
  std::vector<double> const z(narrow.begin(), narrow.end());
  auto const p = weights_of(Map{}, z);
  CHECK(farthest(weights_of(Map{}, narrow), p) <= tolerance<float>(Kind::elementwise));
  auto const dz = gradient_of(Map{}, p, std::vector<double>(g.begin(), g.end()));
  CHECK(farthest(gradient_of(Map{}, weights_of(Map{}, narrow), g), dz) <= tolerance<float>(Kind::softmax));
}

TEST_CASE_TEMPLATE("weights and gradients may take the place of what they are made of", Map, CosineWeights, SIMPLEX_MAPS) {
  auto const z = scores<double>(12, 41);
  auto const g = scores<double>(12, 42);
  auto const p = weights_of(Map{}, z);
  auto in_place = z;
  Map{}.forward(in_place, std::span<double>(in_place));
  CHECK(in_place == p);
  auto d = g;
  Map{}.backward(p, d, std::span<double>(d));
  CHECK(d == gradient_of(Map{}, p, g));
}

TEST_CASE_TEMPLATE("huge and infinite scores give finite weights, a NaN only NaN", Map, SIMPLEX_MAPS) {
  double const infinity = std::numeric_limits<double>::infinity();
  double const nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(weights_of<double>(Map{}, {1e300, -1e300, 0.0}) == std::vector<double>{1.0, 0.0, 0.0});
  auto const masked = weights_of<double>(Map{}, {0.2, -infinity, 0.25, -infinity});
  auto const without = weights_of<double>(Map{}, {0.2, 0.25});
  CHECK(masked == std::vector<double>{without[0], 0.0, without[1], 0.0});
  for (std::vector<double> const& z : {std::vector<double>{0.1, nan, 0.2}, {nan, nan, nan}, {infinity, 0.0, 0.0}, {-infinity, -infinity, -infinity}}) {
    auto const p = weights_of(Map{}, z);
    CHECK(std::all_of(p.begin(), p.end(), [](double x) { return std::isnan(x); }));
  }
  // Weights of nothing pull nowhere.
  CHECK(gradient_of<double>(Map{}, {0.0, 0.0}, {1.0, 2.0}) == std::vector<double>{0.0, 0.0});
}

TEST_CASE_TEMPLATE("settings have names and bounds", Map, SIMPLEX_MAPS) {
  auto const settings = Map::settings();
  CHECK(settings.size() == (std::is_same_v<Map, TopKSoftmaxWeights> ? 3 : 2));
  Map map;
  assign_setting(settings, map, "temperature", "0.5");
  assign_setting(settings, map, "gain", "2");
  CHECK(map.temperature == 0.5);
  CHECK(map.gain == 2.0);
  CHECK_THROWS_AS(assign_setting(settings, map, "temperature", "0"), ValueError);
  CHECK_THROWS_AS(assign_setting(settings, map, "gain", "-1"), ValueError);
  if constexpr (std::is_same_v<Map, TopKSoftmaxWeights>) {
    assign_setting(settings, map, "top-k", "3");
    CHECK(map.k == 3);
    CHECK_THROWS_AS(assign_setting(settings, map, "top-k", "0"), ValueError);
  }
}

namespace {

template <class Map>
void check_refusal(Map const& map, std::string const& number) {
  std::vector<double> p{7.0, 7.0};
  std::string said;
  try {
    map.forward(std::vector<double>{1.0, 2.0}, std::span<double>(p));
  } catch (ValueError const& error) { said = error.what(); }
  CHECK(said.find(std::string(Map::name) + ": ") == 0);
  CHECK(said.find("(came: " + number + ")") != std::string::npos);
  CHECK(p == std::vector<double>{7.0, 7.0});
}

}  // namespace

TEST_CASE_TEMPLATE("scales that are not positive are refused, forward and backward", Map, SIMPLEX_MAPS) {
  double const infinity = std::numeric_limits<double>::infinity();
  for (auto const& [value, text] : {std::pair{0.0, "0"}, {-0.5, "-0.5"}, {infinity, "inf"}}) {
    Map map;
    map.temperature = value;
    check_refusal(map, text);
    CHECK_THROWS_AS(gradient_of<double>(map, {0.5, 0.5}, {1.0, 2.0}), ValueError);
    map.temperature = 1.0;
    map.gain = value;
    check_refusal(map, text);
    CHECK_THROWS_AS(gradient_of<double>(map, {0.5, 0.5}, {1.0, 2.0}), ValueError);
  }
  Map unset;
  unset.temperature = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(weights_of<double>(unset, {1.0}), ValueError);
}

TEST_CASE("k below 1 is refused, whatever the scores are") {
  check_refusal(TopKSoftmaxWeights{.k = 0}, "0");
  check_refusal(TopKSoftmaxWeights{.k = -3}, "-3");
  CHECK_THROWS_AS(weights_of<double>(TopKSoftmaxWeights{.k = 0}, {std::numeric_limits<double>::quiet_NaN()}), ValueError);
}

TEST_CASE_TEMPLATE("rows that are empty or of several lengths are refused", Map, CosineWeights, SIMPLEX_MAPS) {
  CHECK_THROWS_AS(weights_of<double>(Map{}, {}), ValueError);
  CHECK_THROWS_AS(gradient_of<double>(Map{}, {}, {}), ValueError);
  std::vector<double> const two{0.5, 0.5};
  std::vector<double> three(3, 7.0);
  CHECK_THROWS_AS(Map{}.forward(two, std::span<double>(three)), ShapeError);
  CHECK_THROWS_AS(Map{}.backward(two, two, std::span<double>(three)), ShapeError);
  std::vector<double> d(2, 7.0);
  CHECK_THROWS_AS(Map{}.backward(two, three, std::span<double>(d)), ShapeError);
  CHECK(three == std::vector<double>(3, 7.0));
  CHECK(d == std::vector<double>(2, 7.0));
}

}  // namespace accrete::test::weight_test
