#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace accrete::test {

/// Labelled features to teach a head with.
struct Lesson {
  Matrix<float> features;      ///< [n, L]
  std::vector<Index> columns;  ///< [n]

  [[nodiscard]] Index size() const { return features.extent(0); }

  /// The rows named, in that order.
  [[nodiscard]] Lesson rows(std::vector<Index> const& which) const {
    Lesson part{Matrix<float>({static_cast<Index>(which.size()), features.extent(1)}), {}};
    for (std::size_t i = 0; i < which.size(); ++i) {
      auto const from = features[which[i]];
      std::copy(from.begin(), from.end(), part.features[static_cast<Index>(i)].begin());
      part.columns.push_back(columns[static_cast<std::size_t>(which[i])]);
    }
    return part;
  }
  [[nodiscard]] Lesson range(Index first, Index count) const {
    std::vector<Index> which;
    for (Index i = first; i < first + count; ++i) { which.push_back(i); }
    return rows(which);
  }
  [[nodiscard]] Lesson of_class(Index column) const {
    std::vector<Index> which;
    for (Index i = 0; i < size(); ++i) {
      if (columns[static_cast<std::size_t>(i)] == column) { which.push_back(i); }
    }
    return rows(which);
  }
  [[nodiscard]] Lesson without_class(Index column) const {
    std::vector<Index> which;
    for (Index i = 0; i < size(); ++i) {
      if (columns[static_cast<std::size_t>(i)] != column) { which.push_back(i); }
    }
    Lesson rest = rows(which);
    for (Index& label : rest.columns) { label -= label > column ? 1 : 0; }
    return rest;
  }
  [[nodiscard]] Lesson shuffled(std::uint64_t seed) const { return rows(Rng({.seed = seed}).permutation(size())); }
};

/// `classes` clouds of unequal size, close enough to be confused, far from the origin as real features are.
[[nodiscard]] inline Lesson clouds(Index samples, Index width, Index classes, std::uint64_t seed, float noise = 0.8F) {
  Rng const random({.seed = seed, .purpose = Purpose::initialisation});
  Rng const pick({.seed = seed, .purpose = Purpose::class_sampling});
  Lesson lesson{Matrix<float>({samples, width}), {}};
  for (Index i = 0; i < samples; ++i) {
    double const drawn = pick.uniform(static_cast<std::uint64_t>(i));
    Index const column = i < classes ? i : std::min(classes - 1, static_cast<Index>(drawn * drawn * static_cast<double>(classes)));
    lesson.columns.push_back(column);
    for (Index j = 0; j < width; ++j) {
      float const centre = random.normal(static_cast<std::uint64_t>(column * width + j));
      lesson.features(i, j) = 0.7F + centre + noise * random.normal(static_cast<std::uint64_t>((classes + i) * width + j));
    }
  }
  return lesson;
}

/// Teaches one task: admits, observes in the given batches, fits.
template <class Exec, class Head>
void teach(Exec const& exec, Head const& head, typename Head::State& state, Lesson const& lesson, Index classes, Index batch = 1 << 30) {
  head.admit(state, classes);
  for (Index first = 0; first < lesson.size(); first += batch) {
    Lesson const part = lesson.range(first, std::min(batch, lesson.size() - first));
    head.observe(exec, state, part.features.view(), part.columns);
  }
  head.fit(exec, state);
}

template <class Exec, class Head>
[[nodiscard]] Matrix<float> scores_of(Exec const& exec, Head const& head, typename Head::State const& state, Matrix<float> const& features) {
  Matrix<float> scores({features.extent(0), head.classes(state)});
  head.scores(exec, state, features.view(), scores.view());
  return scores;
}

}  // namespace accrete::test
