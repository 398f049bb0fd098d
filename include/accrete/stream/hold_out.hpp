#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/data/examples.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace accrete {

/// Pictures to learn from, and pictures that judge what was learned.
struct HeldOut {
  Examples rest;
  Examples held;
};

/// Holds out a share of the pictures of each class, drawn by the seed, their number rounded down. Both parts keep the order of the sequence.
/// @throws ValueError  when the share lies outside of [0, 1)
[[nodiscard]] inline HeldOut hold_out(Examples const& examples, double share, std::uint64_t seed) {
  if (!(share >= 0.0 && share < 1.0)) { fail<ValueError>("hold_out", "the share must lie in [0, 1), came ", share); }
  std::vector<std::vector<Index>> by_class(examples.class_names().size());
  for (Index const position : Rng({.seed = seed, .purpose = Purpose::split}).permutation(examples.size())) { by_class[static_cast<std::size_t>(examples.label(position))].push_back(position); }
  std::vector<Index> rest;
  std::vector<Index> held;
  for (auto const& positions : by_class) {
    auto const end = positions.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(positions.size()));
    held.insert(held.end(), positions.begin(), end);
    rest.insert(rest.end(), end, positions.end());
  }
  for (auto* const positions : {&rest, &held}) { std::sort(positions->begin(), positions->end()); }
  return {examples.subset(std::move(rest)), examples.subset(std::move(held))};
}

}  // namespace accrete
