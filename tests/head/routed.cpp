#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_data.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/routed.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace accrete::test::routed_test {

namespace {

using Eigens = HostExecutor<EigenProducts>;
constexpr Index width = 6;

RoutedHead<>::State taught(RoutedHead<> const& head) {
  RoutedHead<>::State state;
  for (TaskInfo const& task : {TaskInfo{.index = 0, .first_class = 0, .classes = 3}, TaskInfo{.index = 1, .first_class = 3, .classes = 2}}) {
    Lesson lesson = clouds(60, (task.index + 1) * width, task.classes, static_cast<std::uint64_t>(task.index + 1));
    for (Index& column : lesson.columns) { column += task.first_class; }
    head.admit(state, task, width);
    head.observe(Eigens{}, state, lesson.features.view(), lesson.columns);
    head.fit(Eigens{}, state);
  }
  return state;
}

Index task_of(std::vector<double> const& scores) { return std::max_element(scores.begin(), scores.end()) - scores.begin() < 3 ? 0 : 1; }

std::vector<double> softmax(std::vector<double> z, double factor) {
  double sum = 0.0;
  for (double& x : z) { sum += x = std::exp(factor * x); }
  for (double& x : z) { x /= sum; }
  return z;
}

}  // namespace

TEST_CASE("the router proposes by adapter 0, the head answers with the features of the adapter that is asked") {
  RoutedHead<> head;
  head.head.alignment = {.epochs = 20, .rows = 32, .rate = 0.1};
  auto const state = taught(head);
  auto const queries = clouds(200, 2 * width, 5, 3).features;
  Matrix<float> scores({200, 5});
  head.scores(Eigens{}, state, queries.view(), scores.view());

  auto const first = state.scoring().view<2>("head.0.weight");
  auto const second = state.scoring().view<2>("head.1.weight");
  Index asked[2] = {0, 0};
  Matrix<double> want({200, 5});
  for (Index i = 0; i < 200; ++i) {
    std::vector<double> routed;
    for (Index c = 0; c < 5; ++c) {
      auto const mean = state.router().prototypes().view()[c];
      double products[3] = {0.0, 0.0, 0.0};
      for (Index j = 0; j < width; ++j) {
        double const f = static_cast<double>(queries(i, j));
        products[0] += f * static_cast<double>(mean[j]);
        products[1] += f * f;
        products[2] += static_cast<double>(mean[j]) * static_cast<double>(mean[j]);
      }
      routed.push_back(products[0] / std::sqrt(products[1] * products[2]));
    }
    std::vector<double> refined;
    Index adapter = task_of(routed);
    for (int visit = 0; visit < 4; ++visit) {
      ++asked[adapter];
      refined.clear();
      for (Index c = 0; c < 5; ++c) {
        auto const row = c < 3 ? first[c] : second[c - 3];
        double z = static_cast<double>(c < 3 ? state.scoring().view<1>("head.0.bias")[c] : state.scoring().view<1>("head.1.bias")[c - 3]);
        for (Index j = 0; j < width; ++j) { z += static_cast<double>(row[j]) * static_cast<double>(queries(i, adapter * width + j)); }
        refined.push_back(z);
      }
      if (task_of(refined) == adapter) { break; }
      adapter = task_of(refined);
    }
    auto const p = softmax(refined, 1.0);
    auto const q = softmax(routed, 2.0);
    for (Index c = 0; c < 5; ++c) { want(i, c) = p[static_cast<std::size_t>(c)] + q[static_cast<std::size_t>(c)]; }
  }
  CHECK(asked[0] > 20);
  CHECK(asked[1] > 20);
  CHECK(relative_difference(scores, want) <= tolerance<float>(Kind::softmax));
}

}  // namespace accrete::test::routed_test
