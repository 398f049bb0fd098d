#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>

#include <cstdint>
#include <vector>

namespace accrete {

/// The order in which one epoch of one task visits its samples, and how they fall into batches. It depends on these five numbers alone, so an epoch that
/// was broken off goes on from any batch; a last batch that is not full is kept.
struct BatchOrder {
  Index samples = 0;
  Index batch = 1;  ///< samples
  std::uint64_t seed = 1993;
  std::uint32_t task = 0;
  std::uint32_t epoch = 0;
  bool drop_last = false;  ///< leave out a last batch that is not full, unless it is the only one

  /// @throws ValueError  for a batch below 1 or a negative number of samples
  [[nodiscard]] Index batches() const {
    check();
    return whole_batches() ? samples / batch : (samples + batch - 1) / batch;
  }

  /// All positions [0, samples), shuffled; without those of a last batch that is left out.
  /// @throws ValueError  as `batches`;  ShapeError  for 2^32 samples and more
  [[nodiscard]] std::vector<Index> positions() const {
    check();
    auto all = Rng({seed, Purpose::shuffle, task, epoch, 0}).permutation(samples);
    if (whole_batches()) { all.resize(static_cast<std::size_t>(batches() * batch)); }
    return all;
  }

 private:
  [[nodiscard]] bool whole_batches() const { return drop_last && samples >= batch; }

  void check() const {
    if (batch < 1 || samples < 0) { fail<ValueError>("BatchOrder", "needs batches of at least one sample (came: ", samples, " samples, batches of ", batch, ")"); }
  }
};

}  // namespace accrete
