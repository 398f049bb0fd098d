#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/kernels/parts.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

namespace accrete {

/// The components of one block that get a query's attention, and their weights for a batch:
///   a_bm = cos(q_b * A_m, K_m),   w_b = map(a_b)
/// by two products instead of B M vectors:  a = (Q (A * N)^T) / sqrt(Q^2 (A^2)^T),  N the keys of length 1, squares by element.
/// @tparam T  float, or double for checking gradients
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218, Eqs. 5-7; specification: prompt-methods.md §5.3, §5.6
template <class T>
class WeightedComponents {
 public:
  struct Gradients {
    Matrix<double> components;  ///< [count, n]
    Matrix<double> keys;        ///< [count, D]
    Matrix<double> attention;   ///< [count, D]
  };

  /// @param[in] keys [M, D];  @param[in] attention [M, D]
  WeightedComponents(Matrix<T> keys, Matrix<T> attention) : keys_(std::move(keys)), attention_(std::move(attention)), unit_(keys_.shape()), attended_(keys_.shape()), squares_(keys_.shape()) {
    for (Index m = 0; m < keys_.extent(0); ++m) {
      double squared = 0.0;
      for (T const value : keys_.cview()[m]) { squared += static_cast<double>(value) * static_cast<double>(value); }
      lengths_.push_back(std::max(std::sqrt(squared), least));
      for (Index i = 0; i < keys_.extent(1); ++i) {
        auto const a = static_cast<double>(attention_(m, i));
        unit_(m, i) = static_cast<double>(keys_(m, i)) / lengths_.back();
        attended_(m, i) = a * unit_(m, i);
        squares_(m, i) = a * a;
      }
    }
  }

  [[nodiscard]] MatrixView<T const> keys() const { return keys_.cview(); }
  [[nodiscard]] MatrixView<T const> attention() const { return attention_.cview(); }
  /// [B, M] of the last batch.
  [[nodiscard]] MatrixView<T const> weights() const { return weights_.cview(); }
  /// a [B, M] of the last batch, in [-1, 1].
  [[nodiscard]] MatrixView<double const> scores() const { return scores_.cview(); }

  /// Weighs the components for a batch.
  /// @param[in] queries [B, D] host memory
  template <class Exec, class Map>
  void weigh(Exec const& exec, Map const& map, MatrixView<T const> queries) {
    Index const batch = queries.extent(0);
    Index const components = keys_.extent(0);
    queries_ = Matrix<T>(queries.shape());
    std::copy(queries.begin(), queries.end(), queries_.begin());
    Matrix<double> squared(queries.shape());
    std::transform(queries.begin(), queries.end(), squared.begin(), [](T value) { return static_cast<double>(value) * static_cast<double>(value); });
    scores_ = Matrix<double>::zeros({batch, components});
    attended_lengths_ = Matrix<double>::zeros({batch, components});
    weights_ = Matrix<T>({batch, components});
    kernels::row_products(exec, queries, attended_.cview(), scores_.view());
    kernels::row_products(exec, squared.cview(), squares_.cview(), attended_lengths_.view());
    std::vector<T> row(static_cast<std::size_t>(components));
    for (Index b = 0; b < batch; ++b) {
      for (Index m = 0; m < components; ++m) {
        attended_lengths_(b, m) = std::max(std::sqrt(attended_lengths_(b, m)), least);
        scores_(b, m) /= attended_lengths_(b, m);
        row[static_cast<std::size_t>(m)] = static_cast<T>(scores_(b, m));
      }
      map.template forward<T>(row, std::span<T>(weights_.view()[b].data(), row.size()));
    }
  }

  /// The prompts of the batch: sums of the components by weight; those of weight 0 are not read.
  /// @param[in] components [M, n];  @returns [B, n]
  template <class Exec>
  [[nodiscard]] Matrix<T> combine(Exec const& exec, MatrixView<T const> components) const {
    Matrix<T> prompts({weights_.extent(0), components.extent(1)});
    kernels::for_parts(exec, prompts.extent(0), 1, [&](Exec const& /*part*/, Index first, Index count) {
      Vector<double> sum({components.extent(1)});
      for (Index b = first; b < first + count; ++b) {
        std::fill(sum.begin(), sum.end(), 0.0);
        for (Index m = 0; m < components.extent(0); ++m) {
          auto const weight = static_cast<double>(weights_(b, m));
          if (weight == 0.0) { continue; }
          std::transform(sum.begin(), sum.end(), components[m].begin(), sum.begin(), [weight](double before, T value) { return before + weight * static_cast<double>(value); });
        }
        std::transform(sum.begin(), sum.end(), prompts.view()[b].begin(), [](double value) { return static_cast<T>(value); });
      }
    });
    return prompts;
  }

  /// What flows back to the components [first, first + count), their keys and attentions, from the gradient of the prompts.
  /// @param[in] components [M, n];  @param[in] d_prompts [B, n]
  template <class Exec, class Map>
  [[nodiscard]] Gradients backward(Exec const& exec, Map const& map, MatrixView<T const> components, MatrixView<T const> d_prompts, Index first, Index count) const {
    Index const batch = weights_.extent(0);
    Index const all = weights_.extent(1);
    Index const width = keys_.extent(1);
    Gradients d{Matrix<double>::zeros({count, components.extent(1)}), Matrix<double>::zeros({count, width}), Matrix<double>::zeros({count, width})};
    Matrix<double> own({batch, count});
    for (Index b = 0; b < batch; ++b) {
      for (Index m = 0; m < count; ++m) { own(b, m) = static_cast<double>(weights_(b, first + m)); }
    }
    kernels::column_products(exec, own.cview(), d_prompts, d.components.view());

    auto d_weights = Matrix<double>::zeros({batch, all});
    kernels::row_products(exec, d_prompts, components, d_weights.view());
    std::vector<T> g(static_cast<std::size_t>(all));
    std::vector<T> dz(g.size());
    for (Index b = 0; b < batch; ++b) {
      std::transform(d_weights.cview()[b].begin(), d_weights.cview()[b].end(), g.begin(), [](double value) { return static_cast<T>(value); });
      map.template backward<T>(std::span<T const>(weights_.cview()[b].data(), g.size()), g, dz);
      for (Index m = 0; m < count; ++m) {
        auto const w = static_cast<double>(dz[static_cast<std::size_t>(first + m)]);
        if (w == 0.0) { continue; }
        double const score = scores_(b, first + m);
        double const attended = attended_lengths_(b, first + m);
        double const length = lengths_[static_cast<std::size_t>(first + m)];
        for (Index i = 0; i < width; ++i) {
          auto const q = static_cast<double>(queries_(b, i));
          double const u = q * static_cast<double>(attention_(first + m, i)) / attended;
          double const n = unit_(first + m, i);
          d.keys(m, i) += w * (u - score * n) / length;
          d.attention(m, i) += w * q * (n - score * u) / attended;
        }
      }
    }
    return d;
  }

 private:
  static constexpr double least = 1e-12;

  Matrix<T> keys_;
  Matrix<T> attention_;
  Matrix<double> unit_;      ///< N
  Matrix<double> attended_;  ///< A * N
  Matrix<double> squares_;   ///< A^2
  std::vector<double> lengths_;
  Matrix<T> queries_;
  Matrix<double> scores_;
  Matrix<double> attended_lengths_;
  Matrix<T> weights_;
};

/// o(T) = mean of (T T^T - I)^2 over its entries: how far rows are from an orthonormal set. Earlier rows count as constants.
/// @param[in] rows [M, n];  @param[in,out] d [M - first, n]  gets  scale * 4 / M^2 (T T^T - I) T  of the rows from `first` on
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218, Eq. 9
template <class T, class Exec>
[[nodiscard]] double row_coherence(Exec const& exec, MatrixView<T const> rows, Index first, double scale, MatrixView<double> d) {
  Index const count = rows.extent(0);
  auto excess = Matrix<double>::zeros({count, count});
  kernels::row_products(exec, rows, rows, excess.view());
  double sum = 0.0;
  for (Index i = 0; i < count; ++i) {
    excess(i, i) -= 1.0;
    for (Index j = 0; j < count; ++j) { sum += excess(i, j) * excess(i, j); }
  }
  auto const entries = static_cast<double>(count * count);
  Matrix<double> own({count, count - first});  // symmetric: columns stand for rows
  for (Index i = 0; i < count; ++i) {
    for (Index j = first; j < count; ++j) { own(i, j - first) = scale * 4.0 / entries * excess(i, j); }
  }
  kernels::column_products(exec, own.cview(), rows, d);
  return sum / entries;
}

}  // namespace accrete
