#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace accrete {

/// How one batch is mixed: sample b becomes share x_b + (1 - share) x_partner(b), and its target alike.
struct MixupDraw {
  double share = 1.0;          ///< of the sample itself
  std::vector<Index> partner;  ///< [B] a permutation
};

/// Mixtures of pairs of samples, for pre-training: one share per batch, drawn from Beta(strength, strength).
/// @source Zhang, Cisse, Dauphin, Lopez-Paz, "mixup", ICLR 2018, arXiv:1710.09412
struct Mixup {
  double strength = 0.2;   ///< alpha of the beta distribution; 0: nothing is mixed
  double smoothing = 0.0;  ///< of the labels, over all n columns: q = smoothing / n + (1 - smoothing) [k = y]

  /// The draw of one batch, by its key alone.
  /// @throws ValueError  for a strength outside of [0, 4] or a smoothing outside of [0, 1)
  [[nodiscard]] MixupDraw draw(std::uint64_t seed, std::uint32_t task, std::uint32_t epoch, Index batch, Index samples) const {
    check();
    Rng const order({seed, Purpose::augmentation, task, epoch, object(batch, 0)});
    MixupDraw drawn{1.0, order.permutation(samples)};
    if (strength > 0.0) { drawn.share = beta(Rng({seed, Purpose::augmentation, task, epoch, object(batch, 1)})); }
    return drawn;
  }

  /// @param[in] labels [B] in [0, C);  @param[out] targets [B, C]
  /// @throws ShapeError, ValueError  when labels or draw do not fit; `targets` is unchanged then
  void targets(MixupDraw const& drawn, std::span<Index const> labels, MatrixView<double> targets) const {
    check();
    auto const batch = static_cast<Index>(labels.size());
    expects(targets.extent(0) == batch && static_cast<Index>(drawn.partner.size()) == batch, "Mixup::targets", "labels, draw and targets [B, C] must be of one batch", batch, drawn.partner.size(),
            targets.extent(0));
    for (Index const label : labels) {
      if (label < 0 || label >= targets.extent(1)) { fail<ValueError>("Mixup::targets", "label ", label, " lies outside of the ", targets.extent(1), " columns"); }
    }
    double const even = smoothing / static_cast<double>(targets.extent(1));
    for (double& value : targets) { value = even; }
    for (std::size_t b = 0; b < labels.size(); ++b) {
      auto const row = static_cast<Index>(b);
      targets(row, labels[b]) += (1.0 - smoothing) * drawn.share;
      targets(row, labels[static_cast<std::size_t>(drawn.partner[b])]) += (1.0 - smoothing) * (1.0 - drawn.share);
    }
  }

  /// @param[in] images [B, 3, H, W];  @param[out] mixed [B, 3, H, W], other memory
  /// @throws ShapeError  when shapes or draw do not fit
  static void images(MixupDraw const& drawn, TensorView<float const, 4> images, TensorView<float, 4> mixed) {
    expects(images.shape() == mixed.shape() && images.extent(0) == static_cast<Index>(drawn.partner.size()), "Mixup::images", "images, result and draw must be of one batch", images.extent(0),
            mixed.extent(0), drawn.partner.size());
    auto const own = static_cast<float>(drawn.share);
    float const other = 1.0F - own;
    for (Index b = 0; b < images.extent(0); ++b) {
      auto const x = images[b];
      auto const y = images[drawn.partner[static_cast<std::size_t>(b)]];
      float* const target = mixed[b].data();
      for (Index i = 0; i < x.size(); ++i) { target[i] = own * x.data()[i] + other * y.data()[i]; }
    }
  }

 private:
  /// Batches are counted apart from the samples that augmentation draws for: no set has 2^62 of these.
  static std::uint64_t object(Index batch, std::uint64_t which) { return std::uint64_t{1} << 63U | which << 62U | static_cast<std::uint64_t>(batch); }

  void check() const {
    bool const sense = strength >= 0.0 && strength <= 4.0 && smoothing >= 0.0 && smoothing < 1.0;
    if (!sense) { fail<ValueError>("Mixup", "the strength must lie in [0, 4] and the smoothing in [0, 1) (came: ", strength, ", ", smoothing, ")"); }
  }

  /// Jöhnk's rejection: with u, v uniform, x = u^(1/alpha) and y = v^(1/alpha), x / (x + y) given x + y <= 1. By logarithms, since x and y underflow for small alpha.
  [[nodiscard]] double beta(Rng const& rng) const {
    for (std::uint64_t pair = 0;; ++pair) {
      double const x = std::log(1.0 - rng.uniform(2 * pair)) / strength;
      double const y = std::log(1.0 - rng.uniform(2 * pair + 1)) / strength;
      double const larger = x > y ? x : y;
      double const sum = larger + std::log1p(std::exp((x > y ? y : x) - larger));  // log(e^x + e^y)
      if (sum <= 0.0) { return std::exp(x - sum); }
    }
  }
};

}  // namespace accrete
