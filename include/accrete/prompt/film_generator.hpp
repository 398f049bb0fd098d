#pragma once

#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace accrete {

/// Makes N rows of prompt out of the T rows that reach a block:
///   prompt_n = gamma * (sum over t of W_nt norm(x_t) + b_n) + beta,   norm(x) = scale * (x - mean) / sqrt(variance + epsilon) + shift
/// gamma and beta [D] have length 1 each.
/// @tparam T  float, or double for checking gradients
/// @source Jung et al., "Generating Instance-level Prompts for Rehearsal-free Continual Learning" (DAP), ICCV 2023; specification: prompt-methods.md §6.2, §6.6
template <class T>
class FilmGenerator {
 public:
  struct Parameters {
    MatrixView<T const> down;       ///< W [N, T]
    VectorView<T const> down_bias;  ///< b [N]
    VectorView<T const> scale;      ///< [D]
    VectorView<T const> shift;      ///< [D]
  };
  /// Of one sample; everything is added to.
  struct Gradients {
    MatrixView<T> down;
    VectorView<T> down_bias;
    VectorView<T> scale;
    VectorView<T> shift;
    VectorView<T> gamma;
    VectorView<T> beta;
  };

  explicit FilmGenerator(Parameters const& parameters) : p_(parameters) {}

  /// @param[in] x [>= T, D], of which the first T rows are read;  @param[out] prompts [N, D]
  void forward(MatrixView<T const> x, VectorView<T const> gamma, VectorView<T const> beta, MatrixView<T> prompts) const {
    mix(x, prompts);
    for (Index n = 0; n < prompts.extent(0); ++n) {
      for (Index d = 0; d < prompts.extent(1); ++d) { prompts(n, d) = gamma[d] * prompts(n, d) + beta[d]; }
    }
  }

  /// @param[in] d_prompts [N, D];  @param[in,out] d_x [>= T, D], or empty: then nothing flows to the rows
  void backward(MatrixView<T const> x, VectorView<T const> gamma, MatrixView<T const> d_prompts, Gradients const& d, MatrixView<T> d_x) const {
    Index const rows = p_.down.extent(0);
    Index const width = d_prompts.extent(1);
    Matrix<T> mixed({rows, width});
    mix(x, mixed.view());
    Matrix<T> d_mixed({rows, width});
    for (Index n = 0; n < rows; ++n) {
      double bias = 0.0;
      for (Index i = 0; i < width; ++i) {
        d_mixed(n, i) = gamma[i] * d_prompts(n, i);
        bias += static_cast<double>(d_mixed(n, i));
        d.gamma[i] += d_prompts(n, i) * mixed(n, i);
        d.beta[i] += d_prompts(n, i);
      }
      d.down_bias[n] += static_cast<T>(bias);
    }
    std::vector<T> unit(static_cast<std::size_t>(width));
    std::vector<T> normed(unit.size());
    std::vector<T> d_normed(unit.size());
    for (Index t = 0; t < p_.down.extent(1); ++t) {
      double const inverse = normalise(x[t], unit.data());
      for (Index i = 0; i < width; ++i) { normed[static_cast<std::size_t>(i)] = p_.scale[i] * unit[static_cast<std::size_t>(i)] + p_.shift[i]; }
      std::fill(d_normed.begin(), d_normed.end(), T{0});
      for (Index n = 0; n < rows; ++n) {
        T const weight = p_.down(n, t);
        T const* const row = d_mixed.view()[n].data();
        for (Index i = 0; i < width; ++i) { d_normed[static_cast<std::size_t>(i)] += weight * row[i]; }
        d.down(n, t) += product(row, normed.data(), width);
      }
      for (Index i = 0; i < width; ++i) {
        auto const at = static_cast<std::size_t>(i);
        d.scale[i] += d_normed[at] * unit[at];
        d.shift[i] += d_normed[at];
      }
      if (!d_x.empty()) { add_below(unit, d_normed, inverse, d_x[t]); }
    }
  }

 private:
  static constexpr double epsilon = 1e-6;

  /// In sixteen sums side by side, so that a compiler can take vectors.
  static T product(T const* a, T const* b, Index count) {
    constexpr Index lanes = 16;
    T sums[lanes] = {};
    Index i = 0;
    for (; i + lanes <= count; i += lanes) {
      for (Index lane = 0; lane < lanes; ++lane) { sums[lane] += a[i + lane] * b[i + lane]; }
    }
    T sum = 0;
    for (; i < count; ++i) { sum += a[i] * b[i]; }
    for (T const part : sums) { sum += part; }
    return sum;
  }

  /// sum over t of W_nt norm(x_t) + b_n
  void mix(MatrixView<T const> x, MatrixView<T> mixed) const {
    Index const width = mixed.extent(1);
    for (Index n = 0; n < mixed.extent(0); ++n) { std::fill(mixed[n].begin(), mixed[n].end(), p_.down_bias[n]); }
    std::vector<T> normed(static_cast<std::size_t>(width));
    for (Index t = 0; t < p_.down.extent(1); ++t) {
      normalise(x[t], normed.data());
      for (Index i = 0; i < width; ++i) { normed[static_cast<std::size_t>(i)] = p_.scale[i] * normed[static_cast<std::size_t>(i)] + p_.shift[i]; }
      for (Index n = 0; n < mixed.extent(0); ++n) {
        T const weight = p_.down(n, t);
        T* const row = mixed[n].data();
        for (Index i = 0; i < width; ++i) { row[i] += weight * normed[static_cast<std::size_t>(i)]; }
      }
    }
  }

  /// (x - mean) / sqrt(variance + epsilon).  @returns the inverse of the root
  static double normalise(VectorView<T const> x, T* unit) {
    auto const count = static_cast<double>(x.size());
    double mean = 0.0;
    for (T const value : x) { mean += static_cast<double>(value); }
    mean /= count;
    double variance = 0.0;
    for (T const value : x) { variance += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean); }
    double const inverse = 1.0 / std::sqrt(variance / count + epsilon);
    for (Index i = 0; i < x.size(); ++i) { unit[i] = static_cast<T>((static_cast<double>(x[i]) - mean) * inverse); }
    return inverse;
  }

  /// Back through the norm.
  void add_below(std::vector<T> const& unit, std::vector<T> const& d_normed, double inverse, VectorView<T> d_x) const {
    auto const count = static_cast<double>(d_x.size());
    double mean = 0.0;
    double along = 0.0;
    for (Index i = 0; i < d_x.size(); ++i) {
      auto const g = static_cast<double>(d_normed[static_cast<std::size_t>(i)] * p_.scale[i]);
      mean += g;
      along += g * static_cast<double>(unit[static_cast<std::size_t>(i)]);
    }
    mean /= count;
    along /= count;
    for (Index i = 0; i < d_x.size(); ++i) {
      auto const at = static_cast<std::size_t>(i);
      d_x[i] += static_cast<T>(inverse * (static_cast<double>(d_normed[at] * p_.scale[i]) - mean - static_cast<double>(unit[at]) * along));
    }
  }

  Parameters p_;
};

}  // namespace accrete
