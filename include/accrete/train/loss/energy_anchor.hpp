#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/loss/columns.hpp>
#include <accrete/train/loss/cross_entropy.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// What is called the free energy F of logits.
///   soft_min  -lse(-beta z) / beta, a soft minimum: it pins the floor of the logits (the authors' release)
///   soft_max  -lse(beta z) / beta, that of the textbooks: it pins their ceiling
enum class FreeEnergy { soft_min, soft_max };

/// Cross-entropy, and an anchor that holds the free energy of every sample at one level, so that classifiers which never meet can be compared:
///   loss = CE + weight * mean_b (F_b - level)^2
/// Over the valid columns; the gradient of every other column is exactly zero.
/// @source Wang et al., "Isolation and Impartial Aggregation", AAAI 2023, arXiv:2211.15969; specification: mixture-methods.md §5.4
struct EnergyAnchor {
  static constexpr std::string_view name = "energy-anchor";

  double weight = 0.1;
  double level = -10.0;
  double beta = 1.0;  ///< inverse temperature
  FreeEnergy energy = FreeEnergy::soft_min;

  /// @param[in] logits [B, C];  @param[in] labels [B] valid columns;  @param[out] d_logits [B, C]
  /// @returns the mean loss
  /// @throws ShapeError, ValueError  as `CrossEntropy`, or for a beta that is not positive; `d_logits` is unchanged then
  template <class T>
  double operator()(NonDeduced<MatrixView<T const>> logits, std::span<Index const> labels, ColumnRange columns, MatrixView<T> d_logits) const {
    if (!(beta > 0.0)) { fail<ValueError>("EnergyAnchor", "beta must be positive (came: ", beta, ")"); }
    double const entropy = CrossEntropy{}(logits, labels, columns, d_logits);
    double const share = weight / static_cast<double>(logits.extent(0));
    double const sign = energy == FreeEnergy::soft_min ? -1.0 : 1.0;
    Vector<double> scaled({columns.count});
    std::vector<double> p;
    double anchor = 0.0;
    for (Index b = 0; b < logits.extent(0); ++b) {
      for (Index k = 0; k < columns.count; ++k) { scaled(k) = sign * beta * static_cast<double>(logits(b, columns.first + k)); }
      double const off = -detail::softmax_row<double>(scaled.cview(), p) / beta - level;
      anchor += off * off;
      T* const dz = d_logits[b].data() + columns.first;
      for (std::size_t k = 0; k < p.size(); ++k) { dz[k] = static_cast<T>(static_cast<double>(dz[k]) - 2.0 * share * off * sign * p[k]); }
    }
    return entropy + share * anchor;
  }

  [[nodiscard]] static std::vector<Setting<EnergyAnchor>> settings() {
    return {number_setting("anchor", "weight of the term that holds the energies at one level", &EnergyAnchor::weight, 0.0, 1e6),
            number_setting("anchor-level", "the level that energies are held at", &EnergyAnchor::level, -1e6, 1e6),
            number_setting("anchor-beta", "inverse temperature of the energies", &EnergyAnchor::beta, 1e-12, 1e6),
            choice_setting("anchor-energy", "what is held: a soft minimum of the logits, or less a soft maximum", &EnergyAnchor::energy,
                           std::vector<std::pair<std::string, FreeEnergy>>{{"soft-min", FreeEnergy::soft_min}, {"soft-max", FreeEnergy::soft_max}})};
  }
};

}  // namespace accrete
