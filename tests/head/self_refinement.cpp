#include "support/compare.hpp"
#include "support/matrices.hpp"

#include <accrete/head/self_refinement.hpp>

#include <doctest/doctest.h>

#include <span>
#include <vector>

namespace accrete::test::self_refinement_test {

namespace {

/// A head whose answer depends on the adapter alone.
template <class Answer>
Refinement asked(std::vector<Index> const& proposed, Answer const& answer, std::vector<Index>* visited = nullptr) {
  return refine_adapters(proposed, [&](Index adapter, std::span<Index const> rows, std::span<Index> answers) {
    for (std::size_t i = 0; i < rows.size(); ++i) { answers[i] = answer(adapter, rows[i]); }
    if (visited != nullptr) { visited->push_back(adapter); }
  });
}

}  // namespace

TEST_CASE("a head that always answers one task is asked once or twice") {
  auto const result = asked({0, 2, 1}, [](Index, Index) { return Index{2}; });
  CHECK(result.visits == std::vector<int>{2, 1, 2});
  CHECK(result.adapters == std::vector<Index>{2, 2, 2});
}

TEST_CASE("a head that never agrees is asked four times, and the last visit counts") {
  auto const result = asked({1, 2}, [](Index adapter, Index) { return adapter == 1 ? Index{2} : Index{1}; });
  CHECK(result.visits == std::vector<int>{4, 4});
  CHECK(result.adapters == std::vector<Index>{2, 1});  // 1, 2, 1, 2 and 2, 1, 2, 1
}

TEST_CASE("adapters are visited once a round, and only those that somebody asks for") {
  std::vector<Index> visited;
  auto const result = asked(
      {5, 3, 5, 3, 5}, [](Index adapter, Index row) { return row == 4 ? Index{3} : adapter; }, &visited);
  CHECK(visited == std::vector<Index>{5, 3, 3});
  CHECK(result.visits == std::vector<int>{1, 1, 1, 1, 2});
  CHECK(result.adapters == std::vector<Index>{5, 3, 5, 3, 3});
  CHECK(asked({}, [](Index adapter, Index) { return adapter; }).adapters.empty());
}

TEST_CASE("router and refined answer add up, each after its own softmax") {
  Matrix<float> z({1, 2});
  Matrix<float> z0({1, 2});
  z(0, 0) = 1.0F;
  z(0, 1) = 2.0F;
  z0(0, 0) = 0.5F;
  z0(0, 1) = 0.4F;
  Matrix<float> scores({1, 2});
  ensemble_scores(z.cview(), z0.cview(), 3, scores.view());
  CHECK(static_cast<double>(scores(0, 0)) == doctest::Approx(0.8434).epsilon(1e-4));
  CHECK(static_cast<double>(scores(0, 1)) == doctest::Approx(1.1566).epsilon(1e-4));
  Matrix<float> wide({1, 3});
  CHECK_THROWS_AS(ensemble_scores(z.cview(), wide.cview(), 3, scores.view()), ShapeError);
}

}  // namespace accrete::test::self_refinement_test
