#include "support/files.hpp"
#include "support/golden.hpp"
#include "support/tolerances.hpp"

#include <accrete/metric/accuracy.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace accrete {
namespace {

nlohmann::json const& protocol() {
  static auto const json = nlohmann::json::parse(test::read_file(test::golden_path("protocol.json")));
  return json;
}

/// The golden matrix: counts of hits per stage and task, tasks to come included.
AccuracyMatrix golden_matrix() {
  auto const hits = protocol()["matrix"]["hits"].get<std::vector<std::vector<Index>>>();
  auto const counts = protocol()["matrix"]["counts"].get<std::vector<Index>>();
  AccuracyMatrix matrix;
  for (std::size_t t = 0; t < hits.size(); ++t) {
    std::vector<Tally> row;
    for (std::size_t j = 0; j < counts.size(); ++j) { row.push_back({hits[t][j], counts[j]}); }
    matrix.add(row, static_cast<Index>(t) + 1);
  }
  return matrix;
}

doctest::Approx near(nlohmann::json const& value) { return doctest::Approx(value.get<double>()).epsilon(test::tolerance<double>(test::Kind::sum)); }

TEST_CASE("all measures of one matrix are the reference's") {
  AccuracyMatrix const matrix = golden_matrix();
  auto const& want = protocol()["metrics"];
  for (Index t = 0; t < matrix.stages(); ++t) {
    CHECK(matrix.stage(t) == near(want["stage_accuracy"][static_cast<std::size_t>(t)]));
    CHECK(matrix.stage(t, Custom::toolbox) == near(want["toolbox_stage_accuracy"][static_cast<std::size_t>(t)]));
    for (Index j = 0; j < 5; ++j) { CHECK(matrix.at(t, j) == near(want["accuracy_matrix"][static_cast<std::size_t>(t)][static_cast<std::size_t>(j)])); }
  }
  CHECK(matrix.last() == near(want["last_accuracy"]));
  CHECK(matrix.average() == near(want["average_incremental_accuracy"]));
  CHECK(matrix.average(Custom::toolbox) == near(want["toolbox_average_incremental_accuracy"]));
  CHECK(matrix.forgetting() == near(want["forgetting"]));
  CHECK(matrix.forgetting(Custom::toolbox) == near(want["toolbox_forgetting"]));
  CHECK(matrix.backward_transfer() == near(want["backward_transfer"]));
  CHECK(matrix.forward_transfer(protocol()["matrix"]["baseline"].get<std::vector<double>>()) == near(want["forward_transfer"]));
}

TEST_CASE("labels among the k largest scores are counted as the reference counts them, ties and k beyond the classes included") {
  auto const& want = protocol()["top_k"];
  auto const rows = want["scores"].get<std::vector<std::vector<float>>>();
  auto const labels = want["labels"].get<std::vector<Index>>();
  Matrix<float> scores({static_cast<Index>(rows.size()), static_cast<Index>(rows[0].size())});
  for (std::size_t i = 0; i < rows.size(); ++i) { std::copy(rows[i].begin(), rows[i].end(), scores[static_cast<Index>(i)].begin()); }
  for (auto const& [k, hits] : want["hits"].items()) { CHECK(hits_among_best(scores, labels, std::stoll(k)) == hits.get<Index>()); }
  CHECK(hits_among_best(scores, labels, 100) == static_cast<Index>(labels.size()));
}

TEST_CASE("NaN scores rank behind everything, the lower column first") {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  float const row[] = {nan, -1.0F, nan};
  MatrixView<float const> const scores(row, {1, 3});
  CHECK(hits_among_best(scores, std::vector<Index>{1}, 1) == 1);
  CHECK(hits_among_best(scores, std::vector<Index>{0}, 1) == 0);
  CHECK(hits_among_best(scores, std::vector<Index>{0}, 2) == 1);
  CHECK(hits_among_best(scores, std::vector<Index>{2}, 2) == 0);
}

TEST_CASE("ranked answers become a row of the matrix, top-5 works with fewer than five classes") {
  AccuracyMatrix matrix;
  Matrix<Index> first({3, 2});
  Index const first_ranked[] = {0, 1, 1, 0, 0, 1};
  std::copy_n(first_ranked, 6, first.data());
  TaskScores const one = matrix.add(first.view(), std::vector<Index>{0, 1, 1}, std::vector<Index>{0, 0});
  CHECK(one.top1 == near(200.0 / 3.0));
  CHECK(one.top5 == 100.0);
  CHECK(one.per_task_top1.size() == 1);

  Matrix<Index> second({4, 6});
  Index const second_ranked[] = {5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 2, 1, 0, 3, 4, 5, 3, 2, 1, 0, 5, 4};
  std::copy_n(second_ranked, 24, second.data());
  // Row 0 has its label in the sixth place only: not among the five best.
  TaskScores const two = matrix.add(second.view(), std::vector<Index>{0, 0, 2, 2}, std::vector<Index>{0, 0, 1, 1, 2, 2});
  CHECK(two.top1 == 50.0);
  CHECK(two.top5 == 75.0);
  CHECK(two.per_task_top1[0] == 50.0);
  CHECK(two.per_task_top1[1] == 50.0);
  CHECK(std::isnan(two.per_task_top1[2]));
  CHECK(matrix.forgetting() == near(200.0 / 3.0 - 50.0));
  CHECK(matrix.backward_transfer() == near(50.0 - 200.0 / 3.0));
}

TEST_CASE("one stage has forgotten nothing; common forgetting may be negative, the toolbox's never is") {
  AccuracyMatrix matrix;
  matrix.add({{1, 2}}, 1);
  CHECK(matrix.forgetting() == 0.0);
  CHECK(matrix.backward_transfer() == 0.0);
  CHECK(matrix.average() == 50.0);
  matrix.add({{2, 2}, {1, 1}}, 2);
  CHECK(matrix.forgetting() == -50.0);
  CHECK(matrix.forgetting(Custom::toolbox) == 0.0);
}

TEST_CASE("a stage without new tasks, as in an online stream, still counts as a stage") {
  AccuracyMatrix matrix;
  matrix.add({{2, 4}}, 1);
  matrix.add({{4, 4}}, 1);
  matrix.add({{3, 4}, {4, 4}}, 2);
  CHECK(matrix.forgetting() == 25.0);
  CHECK(matrix.backward_transfer() == 25.0);
  matrix.add({{2, 4}, {1, 4}, {1, 1}}, 3);
  CHECK(matrix.backward_transfer() == -37.5);  // the first stage that knew task 1 is stage 2, not stage 1
}

TEST_CASE("what cannot be judged is refused and nothing is added") {
  AccuracyMatrix matrix;
  Matrix<Index> const none({0, 1});
  CHECK_THROWS_AS(matrix.add(none.view(), std::vector<Index>{}, std::vector<Index>{0}), ValueError);
  Matrix<Index> const one = Matrix<Index>::zeros({1, 1});
  CHECK_THROWS_AS(matrix.add(one.view(), std::vector<Index>{1}, std::vector<Index>{0}), ShapeError);
  CHECK_THROWS_AS(matrix.add(one.view(), std::vector<Index>{0, 0}, std::vector<Index>{0}), ShapeError);
  CHECK_THROWS_AS(matrix.add({{0, 0}}, 1), ValueError);
  CHECK_THROWS_AS(matrix.add({{1, 1}}, 2), ShapeError);
  CHECK(matrix.stages() == 0);
  CHECK_THROWS_AS(static_cast<void>(matrix.average()), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(matrix.last()), ShapeError);
  matrix.add({{1, 1}, {1, 1}}, 2);
  CHECK_THROWS_AS(matrix.add({{1, 1}, {1, 1}}, 1), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(matrix.forward_transfer(std::vector<double>{0.0, 0.0})), ShapeError);
  float const score = 0.0F;
  MatrixView<float const> const scores(&score, {1, 1});
  CHECK_THROWS_AS(static_cast<void>(hits_among_best(scores, std::vector<Index>{1}, 1)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(hits_among_best(scores, std::vector<Index>{0}, 0)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(hits_among_best(scores, std::vector<Index>{}, 1)), ShapeError);
}

}  // namespace
}  // namespace accrete
