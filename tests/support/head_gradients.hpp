#pragma once

#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/slopes.hpp"

#include <accrete/core/parameter_store.hpp>

#include <algorithm>

namespace accrete::test {

/// The same segments with the values of `store` in double.
[[nodiscard]] inline ParameterStore<double> in_double(ParameterStore<float> const& store) {
  ParameterStore<double> result;
  for (ParameterSegment const& segment : store.segments()) {
    result.add(segment);
    if (segment.shape.size() == 1) {
      auto const from = store.view<1>(segment.name);
      std::copy(from.begin(), from.end(), result.view<1>(segment.name).begin());
    } else {
      auto const from = store.view<2>(segment.name);
      std::copy(from.begin(), from.end(), result.view<2>(segment.name).begin());
    }
  }
  return result;
}

/// The same segments, all values zero.
template <class T>
[[nodiscard]] ParameterStore<T> zeros_like(ParameterStore<T> const& store) {
  ParameterStore<T> result = store;
  std::fill(result.values().begin(), result.values().end(), T{});
  return result;
}

/// Largest relative difference between the gradients of a head and central differences, for the loss sum(r * logits) with random r.
template <class Exec, class Head>
[[nodiscard]] double gradient_error(Exec const& exec, Head const& head, ParameterStore<double> store, Matrix<double> features, Index classes) {
  auto const r = random_matrix<double>(features.extent(0), classes, 77);
  auto const loss = [&] {
    Matrix<double> z(r.shape());
    head.logits(exec, store, features.cview(), z.view());
    double sum = 0.0;
    for (Index i = 0; i < z.size(); ++i) { sum += z.data()[i] * r.data()[i]; }
    return sum;
  };
  auto gradients = zeros_like(store);
  Matrix<double> d_features(features.shape());
  head.backward(exec, store, features.cview(), r.cview(), d_features.view(), gradients);
  double worst = relative_difference(d_features.view().template reshaped<1>({features.size()}), central_differences(features.view().template reshaped<1>({features.size()}), loss));
  for (ParameterSpan const& span : store.trainable()) { worst = std::max(worst, relative_difference(gradients.view(span), central_differences(store.view(span), loss))); }
  return worst;
}

}  // namespace accrete::test
