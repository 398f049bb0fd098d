#pragma once

#include <accrete/kernels/activation.hpp>

#include <algorithm>
#include <cmath>

namespace accrete::test {

/// An activation by its formula.
[[nodiscard]] inline double naive_activation(kernels::Activation activation, double u) {
  switch (activation) {
    case kernels::Activation::gelu: return u * (1.0 + std::erf(u / std::sqrt(2.0))) / 2.0;
    case kernels::Activation::quick_gelu: return u / (1.0 + std::exp(-1.702 * u));
    case kernels::Activation::relu: return std::max(u, 0.0);
    case kernels::Activation::none: break;
  }
  return u;
}

}  // namespace accrete::test
