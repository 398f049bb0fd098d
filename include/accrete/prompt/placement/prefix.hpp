#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/prompt/placement/tokens.hpp>

#include <string_view>
#include <vector>

namespace accrete {

/// Keys and values in front of those of some blocks; the sequence keeps its length.
/// Layout of a prompt: [blocks, 2, length, D], keys first.
/// @source Li, Liang, "Prefix-Tuning", ACL 2021, arXiv:2101.00190; Wang et al., "DualPrompt", ECCV 2022, arXiv:2204.04799, section 3.3
struct Prefix {
  static constexpr std::string_view name = "prefix";

  Index length = 5;  ///< keys of a prompt in each block, and as many values
  Index first = 0;   ///< first block
  Index blocks = 1;

  /// @throws ValueError  for a length below 1 or blocks that are not there
  [[nodiscard]] BundlePlan plan(PromptPlace const& place) const {
    detail::check_length("Prefix", length);
    detail::check_blocks("Prefix", first, blocks, place.depth);
    BundlePlan plan{{}, 2 * blocks * length, 0, 0};
    for (Index i = 0; i < blocks; ++i) {
      plan.pieces.push_back({.block = first + i, .part = BundlePart::keys, .first = 2 * i * length, .rows = length});
      plan.pieces.push_back({.block = first + i, .part = BundlePart::values, .first = (2 * i + 1) * length, .rows = length});
    }
    return plan;
  }

  [[nodiscard]] static std::vector<Setting<Prefix>> settings() {
    return {number_setting("prompt-length", "keys, and values, of one prompt in each block", &Prefix::length, Index{1}, Index{10000}),
            number_setting("prompt-first", "first block with a prompt", &Prefix::first, Index{0}, Index{1000}),
            number_setting("prompt-blocks", "blocks with a prompt", &Prefix::blocks, Index{1}, Index{1000})};
  }
};
static_assert(PromptPlacement<Prefix>);

/// The same with a slip of the toolboxes: what was gathered as [2, B, ...] is read as [B, 2, ...], so that a picture gets keys and values of other pictures of its batch.
/// Only to reproduce their numbers; with one picture it is `Prefix`.
/// @source PILOT's DualPrompt and the PyTorch port it descends from; specification: prompt-methods.md §4.7
struct PilotPrefix : Prefix {
  static constexpr std::string_view name = "pilot-prefix";
  static constexpr bool batch_dependent = true;

  [[nodiscard]] BundlePlan plan(PromptPlace const& place) const {
    BundlePlan plan = Prefix::plan(place);
    for (BundlePiece& piece : plan.pieces) { piece.mixed = true; }
    return plan;
  }

  [[nodiscard]] static std::vector<Setting<PilotPrefix>> settings() { return inherited_settings<PilotPrefix>(Prefix::settings()); }
};
static_assert(PromptPlacement<PilotPrefix>);

}  // namespace accrete
