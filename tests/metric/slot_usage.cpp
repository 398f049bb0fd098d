#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/metric/slot_usage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace accrete {
namespace {

doctest::Approx near(double value) { return doctest::Approx(value).epsilon(test::tolerance<double>(test::Kind::sum)); }

/// Usage with the given counts, by slot and task.
SlotUsage usage_of(std::vector<std::vector<Index>> const& counts) {
  SlotUsage usage(static_cast<Index>(counts.size()), static_cast<Index>(counts[0].size()));
  for (std::size_t slot = 0; slot < counts.size(); ++slot) {
    for (std::size_t task = 0; task < counts[slot].size(); ++task) {
      for (Index i = 0; i < counts[slot][task]; ++i) { usage.add(static_cast<Index>(slot), static_cast<Index>(task)); }
    }
  }
  return usage;
}

Matrix<float> rows_of(std::vector<std::vector<float>> const& values) {
  Matrix<float> rows({static_cast<Index>(values.size()), static_cast<Index>(values[0].size())});
  for (Index i = 0; i < rows.extent(0); ++i) { std::copy(values[static_cast<std::size_t>(i)].begin(), values[static_cast<std::size_t>(i)].end(), rows[i].begin()); }
  return rows;
}

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("selections are counted by slot and task") {
  auto const usage = usage_of({{3, 1}, {0, 2}, {0, 2}});
  CHECK(usage.slots() == 3);
  CHECK(usage.tasks() == 2);
  CHECK(usage.selections() == 8);
  CHECK(usage.counts()(0, 0) == 3);
  CHECK(usage.counts()(0, 1) == 1);
  CHECK(usage.counts()(2, 1) == 2);
  CHECK(usage.shares() == std::vector<double>{0.5, 0.25, 0.25});
  CHECK(usage.slot_accuracy() == 0.625);  // (3 + 2) of 8
  CHECK(usage.entropy() == near(1.5 * std::log(2.0) / std::log(3.0)));
  // p(slot, task) = 3/8, 1/8, 1/4, 1/4;  p(slot) = 1/2, 1/4, 1/4;  p(task) = 3/8, 5/8
  double const want = 3.0 / 8.0 * std::log(2.0) + 1.0 / 8.0 * std::log(0.4) + 2.0 * (1.0 / 4.0 * std::log(1.6));
  CHECK(usage.information() == near(want));
}

TEST_CASE("many selections at once count as many") {
  SlotUsage usage(2, 2);
  usage.add(1, 0, 3);
  usage.add(1, 0);
  usage.add(0, 1, 4);
  CHECK(usage.counts()(1, 0) == 4);
  CHECK(usage.counts()(0, 1) == 4);
  CHECK(usage.selections() == 8);
}

TEST_CASE("entropy is 1 for slots used alike, 0 for one slot, and counts slots that are never used") {
  CHECK(usage_of({{2, 1}, {0, 3}, {3, 0}, {1, 2}}).entropy() == near(1.0));
  CHECK(usage_of({{0, 0}, {5, 7}, {0, 0}}).entropy() == 0.0);
  CHECK(usage_of({{4}}).entropy() == 0.0);
  CHECK(usage_of({{4}, {4}, {0}, {0}}).entropy() == near(0.5));
  CHECK(SlotUsage(0, 0).entropy() == 0.0);
}

TEST_CASE("a slot counts as used when its share is above a hundredth") {
  auto const usage = usage_of({{1}, {2}, {97}, {0}});
  CHECK(usage.used_slots() == 2);
  CHECK(usage.used_slots(0.0) == 3);
  CHECK(usage.used_slots(0.5) == 1);
}

TEST_CASE("information is the entropy of the tasks when each has slots of its own, 0 when slots do not know tasks") {
  for (Index const tasks : {Index{1}, Index{2}, Index{10}}) {
    SlotUsage usage(tasks, tasks);
    for (Index i = 0; i < 3 * tasks; ++i) { usage.add(i % tasks, i % tasks); }
    CHECK(usage.information() == near(std::log(static_cast<double>(tasks))));
    CHECK(usage.slot_accuracy() == 1.0);
  }
  CHECK(usage_of({{0, 4}, {4, 0}}).information() == near(std::log(2.0)));
  CHECK(usage_of({{0, 4}, {4, 0}}).slot_accuracy() == 0.0);
  auto const blind = usage_of({{1, 2, 3}, {7, 14, 21}, {3, 6, 9}, {0, 0, 0}});
  CHECK(blind.information() >= 0.0);
  CHECK(blind.information() <= test::tolerance<double>(test::Kind::sum));
  CHECK(usage_of({{5}, {3}}).information() == 0.0);
  CHECK(usage_of({{15, 25}, {27, 45}}).information() == 0.0);  // what rounding leaves would be negative
}

TEST_CASE("more slots than tasks and more tasks than slots") {
  CHECK(usage_of({{2, 0}, {0, 1}, {1, 0}}).slot_accuracy() == 0.75);
  CHECK(usage_of({{2, 0, 2}}).slot_accuracy() == 0.5);
}

TEST_CASE("nothing selected is no usage") {
  SlotUsage const none(3, 2);
  CHECK(none.selections() == 0);
  CHECK(none.used_slots() == 0);
  CHECK(std::isnan(none.shares()[0]));
  CHECK(std::isnan(none.entropy()));
  CHECK(std::isnan(none.information()));
  CHECK(std::isnan(none.slot_accuracy()));
}

TEST_CASE("slots and tasks that do not exist are refused and nothing is counted") {
  SlotUsage usage(3, 2);
  CHECK_THROWS_AS(usage.add(3, 0), ShapeError);
  CHECK_THROWS_AS(usage.add(-1, 0), ShapeError);
  CHECK_THROWS_AS(usage.add(0, 2), ShapeError);
  CHECK_THROWS_AS(usage.add(0, -1), ShapeError);
  CHECK(usage.selections() == 0);
  CHECK_THROWS_AS(SlotUsage(-1, 2), ShapeError);
}

TEST_CASE("diversity is the largest distance of two rows over the largest length") {
  CHECK(row_diversity(rows_of({{3, 0}, {0, 4}, {3, 1}})) == near(1.25));
  CHECK(row_diversity(rows_of({{3, 4}, {-3, -4}})) == near(2.0));
  CHECK(row_diversity(rows_of({{0.1F, 0.7F}, {0.1F, 0.7F}, {0.1F, 0.7F}})) == 0.0);
  CHECK(row_diversity(rows_of({{1, 2}})) == 0.0);
  CHECK(row_diversity(rows_of({{0, 0}, {0, 0}})) == 0.0);
  CHECK(row_diversity({}) == 0.0);
  CHECK(std::isnan(row_diversity(rows_of({{1, 2}, {nan, 0}, {3, 0}}))));
}

TEST_CASE("drift is how far rows turned, whatever their lengths") {
  auto const before = rows_of({{1, 0}, {2, 0}, {1, 1}, {0, 0}, {0, 0}, {1, 0}, {1, 0}});
  auto const after = rows_of({{0, 3}, {5, 0}, {-1, -1}, {0, 0}, {1, 0}, {0, 0}, {3, 4}});
  double const want[] = {1.0, 0.0, 2.0, 0.0, 1.0, 1.0, 0.4};
  auto const got = cosine_drifts(before, after);
  REQUIRE(got.size() == 7);
  for (std::size_t m = 0; m < 7; ++m) { CHECK(got[m] == near(want[m])); }
  CHECK(cosine_drift(before, after) == near(5.4 / 7.0));
  CHECK(cosine_drift(before, before) == 0.0);
  // A turn by 1e-4, of which 1 - cos in double would keep half the digits.
  CHECK(cosine_drift(rows_of({{1, 0}}), rows_of({{1, 1e-4F}})) == near(1.0 - std::cos(std::atan(static_cast<double>(1e-4F)))).epsilon(1e-7));
  CHECK(std::isnan(cosine_drift({}, {})));
  CHECK(std::isnan(cosine_drift(rows_of({{nan, 1}}), rows_of({{1, 1}}))));
  CHECK_THROWS_AS(static_cast<void>(cosine_drift(before, rows_of({{1, 0}}))), ShapeError);
}

TEST_CASE("the change of a tensor is relative to what it was") {
  auto const before = rows_of({{3, 0}, {0, 4}});
  CHECK(relative_change(before.cview(), rows_of({{3, 0}, {0, 4}})) == 0.0);
  CHECK(relative_change(before.cview(), rows_of({{3, 3}, {4, 4}})) == near(1.0));
  CHECK(relative_change(before.cview(), rows_of({{0, 0}, {0, 0}})) == near(1.0));
  CHECK(relative_change(before.cview().reshaped<3>({1, 2, 2}), rows_of({{6, 0}, {0, 8}}).cview().reshaped<3>({1, 2, 2})) == near(1.0));
  auto const zeros = rows_of({{0, 0}, {0, 0}});
  CHECK(relative_change(zeros.cview(), zeros) == 0.0);
  CHECK(std::isinf(relative_change(zeros.cview(), before)));
  CHECK(std::isnan(relative_change(before.cview(), rows_of({{nan, 0}, {0, 4}}))));
  CHECK_THROWS_AS(static_cast<void>(relative_change(before.cview(), rows_of({{1, 0}}))), ShapeError);
}

TEST_CASE("the support of weights is what is not 0") {
  CHECK(mean_support(rows_of({{0.5F, 0.5F, 0.0F}, {1.0F, 0.0F, 0.0F}})) == 1.5);
  CHECK(mean_support(rows_of({{-0.5F, 0.5F, 0.1F}})) == 3.0);
  CHECK(std::isnan(mean_support({})));
}

}  // namespace accrete
