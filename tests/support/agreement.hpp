#pragma once

#include "compare.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/data/idx.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/train/feature_pass.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace accrete::test {

/// Classes that class means in `exact` features choose for `count` test pictures of Fashion-MNIST seen through `exec`, all with the shipped network.
template <class Exec, class Exact>
[[nodiscard]] std::vector<Index> chosen_classes(Exec const& exec, Exact const& exact, Index count) {
  auto const vit = Vit<>::load(ACCRETE_SHIPPED_WEIGHTS);
  DataSet const data = fashion_mnist();
  auto const first = [](Examples const& examples, Index n) {
    std::vector<Index> positions;
    for (Index i = 0; i < n; ++i) { positions.push_back(i); }
    return examples.subset(positions);
  };
  Examples const shown = first(data.train, 200);
  FeatureSet const learned = extract_features(exact, vit, shown);
  std::vector<Index> columns;
  for (Index i = 0; i < shown.size(); ++i) { columns.push_back(shown.label(i)); }
  PrototypeHead const head;
  PrototypeHead::State state;
  head.admit(state, 10);
  head.observe(exact, state, learned.features.cview(), columns);
  head.fit(exact, state);

  FeatureSet const seen = extract_features(exec, vit, first(data.test, count));
  Matrix<float> scores({count, 10});
  head.scores(exact, state, seen.features.cview(), scores.view());
  std::vector<Index> best;
  for (Index i = 0; i < count; ++i) { best.push_back(std::max_element(scores[i].begin(), scores[i].end()) - scores[i].begin()); }
  return best;
}

/// How many of some pictures get the same class from an executor in bfloat16 and in float32; -1 where the data set is not installed.
template <class Exec, class Exact>
[[nodiscard]] Index agreeing(Exec const& exec, Exact const& exact, Index pictures) {
  std::error_code ignored;
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist", ignored)) { return -1; }
  auto const want = chosen_classes(exact, exact, pictures);
  auto const got = chosen_classes(exec, exact, pictures);
  Index same = 0;
  for (std::size_t i = 0; i < want.size(); ++i) { same += want[i] == got[i] ? 1 : 0; }
  return same;
}

}  // namespace accrete::test
