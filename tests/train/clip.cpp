#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/tolerances.hpp"

#include <accrete/train/clip.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test::clip_test {
namespace {

/// The gradients of one golden step side by side, with something between them that has none.
struct Gradients {
  Vector<double> values = Vector<double>::zeros({16});
  std::vector<ParameterSpan> const spans{{0, 0, 6}, {2, 10, 5}};

  Gradients() {
    auto const file = golden("optimisers");
    auto const first = file.read<float, 3>("first.gradient");
    auto const second = file.read<float, 2>("second.gradient");
    std::copy_n(first.cview()[3].begin(), 6, values.begin());
    std::fill_n(values.begin() + 6, 4, 1000.0);
    std::copy_n(second.cview()[3].begin(), 5, values.begin() + 10);
  }
  [[nodiscard]] Vector<double> received() const {
    Vector<double> both({11});
    std::copy_n(values.begin() + 10, 5, std::copy_n(values.begin(), 6, both.begin()));
    return both;
  }
};

}  // namespace

TEST_CASE("clipping by the global norm is torch's") {
  auto const file = golden("optimisers");
  for (auto const& entry : std::vector<std::pair<std::string, double>>{{"short", 100.0}, {"long", 0.5}}) {
    std::string const name = entry.first;
    double const most = entry.second;
    CAPTURE(name);
    Gradients g;
    double const norm = clip_gradient(g.values.view(), g.spans, most);
    CHECK(norm == doctest::Approx(file.read<double, 1>("clip." + name + ".norm")(0)).epsilon(tolerance<double>(Kind::sum)));
    CHECK(relative_difference(g.received(), file.read<double, 1>("clip." + name + ".gradient")) <= tolerance<double>(Kind::sum));
    CHECK(g.values(7) == 1000.0);
  }
}

TEST_CASE("a short gradient keeps its bits") {
  Gradients g;
  auto const before = g.values;
  clip_gradient(g.values.view(), g.spans, 1e6);
  CHECK(same_bits(g.values, before));
}

TEST_CASE("a norm that is not finite is refused, and the gradient stays") {
  Gradients g;
  g.values(2) = std::numeric_limits<double>::quiet_NaN();
  auto const before = g.values;
  CHECK_THROWS_AS(clip_gradient(g.values.view(), g.spans, 0.5), ValueError);
  CHECK_THROWS_AS(clip_gradient(g.values.view(), g.spans, 0.0), ValueError);
  CHECK_THROWS_AS(clip_gradient(g.values.view(), std::vector<ParameterSpan>{{0, 10, 7}}, 0.5), ShapeError);
  CHECK(same_bits(g.values, before));
}

}  // namespace accrete::test::clip_test
