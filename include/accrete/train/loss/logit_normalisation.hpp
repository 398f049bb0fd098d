#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// Divides the logits of a sample by the mean length of their blocks, one block per task, so that no task wins by the size of its weights:
///   n_k = |z_block k| + 1e-7,   n = mean_k n_k,   z' = z / (n tau)
/// For the loss only: it never changes which class is largest.
/// @source Zhang et al., "SLCA", ICCV 2023, arXiv:2303.05118, the authors' release; specification: representation-methods.md §6
struct LogitNormalisation {
  double temperature = 0.1;  ///< tau

  /// @param[in] logits [B, C];  @param[in] blocks  columns of each block, in order, C together;  @param[out] normalised [B, C]; may be the logits' own memory
  /// @throws ShapeError  when the blocks do not cover the columns or shapes differ;  ValueError  for a temperature that is not positive; nothing is changed then
  template <class T>
  void forward(NonDeduced<MatrixView<T const>> logits, std::span<Index const> blocks, MatrixView<T> normalised) const {
    check<T>("LogitNormalisation::forward", logits, blocks, normalised);
    std::vector<double> lengths(blocks.size());
    for (Index b = 0; b < logits.extent(0); ++b) {
      double const scale = 1.0 / (mean_length<T>(logits[b], blocks, lengths) * temperature);
      for (Index c = 0; c < logits.extent(1); ++c) { normalised(b, c) = static_cast<T>(static_cast<double>(logits(b, c)) * scale); }
    }
  }

  /// The gradient, which also flows through the mean length:
  ///   dz_i = dz'_i / (n tau) - <dz', z> / (n^2 tau) z_i / (K |z_block of i|),   the second term 0 for a block of zeros
  /// @param[in] logits [B, C] as given to `forward`;  @param[in] d_normalised [B, C];  @param[out] d_logits [B, C]; may be the memory of d_normalised
  /// @throws ShapeError, ValueError  as `forward`
  template <class T>
  void backward(NonDeduced<MatrixView<T const>> logits, std::span<Index const> blocks, NonDeduced<MatrixView<T const>> d_normalised, MatrixView<T> d_logits) const {
    check<T>("LogitNormalisation::backward", logits, blocks, d_logits);
    expects(d_normalised.shape() == logits.shape(), "LogitNormalisation::backward", "both gradients must have the shape of the logits", d_normalised.extent(0), d_normalised.extent(1));
    std::vector<double> lengths(blocks.size());
    for (Index b = 0; b < logits.extent(0); ++b) {
      double const mean = mean_length<T>(logits[b], blocks, lengths);
      double along = 0.0;
      for (Index c = 0; c < logits.extent(1); ++c) { along += static_cast<double>(d_normalised(b, c)) * static_cast<double>(logits(b, c)); }
      double const shared = along / (mean * mean * temperature * static_cast<double>(blocks.size()));
      Index c = 0;
      for (std::size_t k = 0; k < blocks.size(); ++k) {
        double const pull = lengths[k] > 0.0 ? shared / lengths[k] : 0.0;
        for (Index const end = c + blocks[k]; c < end; ++c) {
          d_logits(b, c) = static_cast<T>(static_cast<double>(d_normalised(b, c)) / (mean * temperature) - pull * static_cast<double>(logits(b, c)));
        }
      }
    }
  }

 private:
  static constexpr double least_length = 1e-7;

  template <class T>
  void check(std::string_view function, MatrixView<T const> logits, std::span<Index const> blocks, MatrixView<T> result) const {
    Index covered = 0;
    for (Index const block : blocks) {
      expects(block > 0, function, "a block must have at least one column", block);
      covered += block;
    }
    expects(covered == logits.extent(1), function, "the blocks must cover all columns", covered, logits.extent(1));
    expects(result.shape() == logits.shape(), function, "the result must have the shape of the logits", result.extent(0), result.extent(1), logits.extent(0), logits.extent(1));
    if (!(temperature > 0.0)) { fail<ValueError>(function, "the temperature must be positive (came: ", temperature, ")"); }
  }

  /// @param[out] lengths [K] of the blocks
  template <class T>
  static double mean_length(VectorView<T const> z, std::span<Index const> blocks, std::vector<double>& lengths) {
    double sum = 0.0;
    Index c = 0;
    for (std::size_t k = 0; k < blocks.size(); ++k) {
      double squared = 0.0;
      for (Index const end = c + blocks[k]; c < end; ++c) { squared += static_cast<double>(z[c]) * static_cast<double>(z[c]); }
      lengths[k] = std::sqrt(squared);
      sum += lengths[k] + least_length;
    }
    return sum / static_cast<double>(blocks.size());
  }
};

}  // namespace accrete
