#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/product.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

// The pieces of a transformer as loops in float64: what the layers of nn/ are held against.
namespace accrete::test {

/// Values of both signs around zero that depend on the name and the place alone.
template <int Rank>
[[nodiscard]] Tensor<float, Rank> drawn(std::string_view name, Shape<Rank> shape, float scale = 1.0F, float centre = 0.0F) {
  Tensor<float, Rank> tensor(shape);
  std::uint32_t state = 2166136261U;
  for (char const c : name) { state = (state ^ static_cast<std::uint8_t>(c)) * 16777619U; }
  for (float& value : tensor) {
    state = state * 1664525U + 1013904223U;
    value = centre + scale * (static_cast<float>(state >> 8U) / 8388608.0F - 1.0F);
  }
  return tensor;
}

/// Every value rounded to bfloat16 and widened again.
template <int Rank>
[[nodiscard]] Tensor<float, Rank> rounded(Tensor<float, Rank> tensor) {
  for (float& value : tensor) { value = to_float(to_bfloat16(value)); }
  return tensor;
}

namespace naive {

[[nodiscard]] inline Matrix<double> widened(MatrixView<float const> x) {
  Matrix<double> y(x.shape());
  for (Index i = 0; i < x.size(); ++i) { y.data()[i] = static_cast<double>(x.data()[i]); }
  return y;
}

/// x W^T + b; `bias` may be empty.
[[nodiscard]] inline Matrix<double> linear(Matrix<double> const& x, Matrix<float> const& weight, Vector<float> const& bias) {
  auto y = Matrix<double>::zeros({x.extent(0), weight.extent(0)});
  for (Index i = 0; i < y.extent(0); ++i) {
    for (Index o = 0; o < y.extent(1); ++o) {
      double sum = bias.empty() ? 0.0 : static_cast<double>(bias(o));
      for (Index c = 0; c < x.extent(1); ++c) { sum += x(i, c) * static_cast<double>(weight(o, c)); }
      y(i, o) = sum;
    }
  }
  return y;
}

[[nodiscard]] inline double activated(double u, kernels::Activation activation) {
  switch (activation) {
    case kernels::Activation::gelu: return 0.5 * u * (1 + std::erf(u / std::sqrt(2.0)));
    case kernels::Activation::quick_gelu: return u / (1 + std::exp(-1.702 * u));
    case kernels::Activation::relu: return u > 0 ? u : 0.0;
    case kernels::Activation::none: return u;
  }
  return u;
}

[[nodiscard]] inline Matrix<double> activated(Matrix<double> x, kernels::Activation activation) {
  for (double& value : x) { value = activated(value, activation); }
  return x;
}

[[nodiscard]] inline Matrix<double> layer_norm(Matrix<double> const& x, Vector<float> const& gain, Vector<float> const& offset, double epsilon) {
  Matrix<double> y(x.shape());
  auto const width = static_cast<double>(x.extent(1));
  for (Index i = 0; i < x.extent(0); ++i) {
    double mean = 0;
    double variance = 0;
    for (Index c = 0; c < x.extent(1); ++c) { mean += x(i, c) / width; }
    for (Index c = 0; c < x.extent(1); ++c) { variance += (x(i, c) - mean) * (x(i, c) - mean) / width; }
    for (Index c = 0; c < x.extent(1); ++c) { y(i, c) = static_cast<double>(gain(c)) * (x(i, c) - mean) / std::sqrt(variance + epsilon) + static_cast<double>(offset(c)); }
  }
  return y;
}

/// Keys and values in front of each sequence's own, [B or 1, P, D]; none when P is 0.
struct Prefix {
  Tensor<float, 3> k{Shape<3>{1, 0, 0}};
  Tensor<float, 3> v{Shape<3>{1, 0, 0}};
};

/// softmax(q k^T / sqrt(D / H)) v for rows [q | k | v] of B sequences.
[[nodiscard]] inline Matrix<double> attention(Matrix<double> const& qkv, Index batch, Index heads, Prefix const& prefix = {}) {
  Index const width = qkv.extent(1) / 3;
  Index const tokens = qkv.extent(0) / batch;
  Index const extra = prefix.k.extent(1);
  Index const head = width / heads;
  auto y = Matrix<double>::zeros({qkv.extent(0), width});
  for (Index b = 0; b < batch; ++b) {
    Index const owner = prefix.k.extent(0) == 1 ? 0 : b;
    auto const key = [&](Index j, Index c) { return j < extra ? static_cast<double>(prefix.k(owner, j, c)) : qkv(b * tokens + j - extra, width + c); };
    auto const value = [&](Index j, Index c) { return j < extra ? static_cast<double>(prefix.v(owner, j, c)) : qkv(b * tokens + j - extra, 2 * width + c); };
    for (Index i = b * tokens; i < (b + 1) * tokens; ++i) {
      for (Index h = 0; h < heads; ++h) {
        std::vector<double> weights;
        double total = 0;
        for (Index j = 0; j < extra + tokens; ++j) {
          double score = 0;
          for (Index c = h * head; c < (h + 1) * head; ++c) { score += qkv(i, c) * key(j, c); }
          weights.push_back(std::exp(score / std::sqrt(static_cast<double>(head))));
          total += weights.back();
        }
        for (Index j = 0; j < extra + tokens; ++j) {
          for (Index c = h * head; c < (h + 1) * head; ++c) { y(i, c) += weights[static_cast<std::size_t>(j)] / total * value(j, c); }
        }
      }
    }
  }
  return y;
}

[[nodiscard]] inline Matrix<double> sum(Matrix<double> a, Matrix<double> const& b) {
  for (Index i = 0; i < a.size(); ++i) { a.data()[i] += b.data()[i]; }
  return a;
}

}  // namespace naive
}  // namespace accrete::test
