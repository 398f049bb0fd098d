#pragma once

#include <accrete/train/gradient/concept.hpp>

#include <string_view>

namespace accrete {

/// Gradients stay as they are.
struct PlainGradient {
  static constexpr std::string_view name = "none";
  static constexpr GradientConstraints needs = GradientConstraints::none;

  template <class T>
  GradientProjection project(VectorView<T> /*gradient*/, NonDeduced<MatrixView<T const>> /*constraints*/) const {
    return {};
  }
};
static_assert(GradientPolicy<PlainGradient>);

}  // namespace accrete
