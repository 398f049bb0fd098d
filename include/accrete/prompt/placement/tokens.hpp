#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/prompt/placement/concept.hpp>

#include <string_view>
#include <vector>

namespace accrete {

namespace detail {
inline void check_length(std::string_view function, Index length) {
  if (length < 1) { fail<ValueError>(function, "a prompt needs at least one row (came: ", length, ")"); }
}
inline void check_blocks(std::string_view function, Index first, Index blocks, Index depth) {
  if (first < 0 || blocks < 1 || first + blocks > depth) { fail<ValueError>(function, "a prompt in blocks [", first, ", ", first + blocks, ") needs a network with so many (came: ", depth, ")"); }
}
}  // namespace detail

/// The feature is what the backbone pools, such as the class token.
struct ReadsBackbone {
  static constexpr std::string_view name = "backbone";
};
/// The feature is the mean of the prompt's own rows behind the final norm.
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654, section 4.1
struct ReadsPrompt {
  static constexpr std::string_view name = "prompt";
};

/// Rows in front of the sequence of block 0, carried through all blocks.
/// @tparam Reader  ReadsPrompt or ReadsBackbone
template <class Reader = ReadsBackbone>
struct InputTokens {
  static constexpr std::string_view name = "input-tokens";
  static constexpr bool reads_prompt = std::is_same_v<Reader, ReadsPrompt>;

  Index length = 5;  ///< rows of a prompt

  /// @throws ValueError  for a length below 1
  [[nodiscard]] BundlePlan plan(PromptPlace const& place) const {
    detail::check_length("InputTokens", length);
    return {{{.block = 0, .part = BundlePart::tokens, .first = 0, .rows = length}}, length, reads_prompt ? 0 : place.tokens, reads_prompt ? length : 0};
  }

  [[nodiscard]] static std::vector<Setting<InputTokens>> settings() { return {number_setting("prompt-length", "rows of one prompt", &InputTokens::length, Index{1}, Index{10000})}; }
};
static_assert(PromptPlacement<InputTokens<>> && PromptPlacement<InputTokens<ReadsPrompt>>);

/// Rows of their own for each of some blocks, at the end of the sequence; what a block makes of them the next block with a prompt overwrites; behind the last one they stay.
/// Layout of a prompt: [blocks, length, D].
struct BlockTokens {
  static constexpr std::string_view name = "block-tokens";

  Index length = 5;  ///< rows of a prompt in each block
  Index first = 0;   ///< first block
  Index blocks = 1;

  /// @throws ValueError  for a length below 1 or blocks that are not there
  [[nodiscard]] BundlePlan plan(PromptPlace const& place) const {
    detail::check_length("BlockTokens", length);
    detail::check_blocks("BlockTokens", first, blocks, place.depth);
    BundlePlan plan{{}, blocks * length, place.tokens, 0};
    for (Index i = 0; i < blocks; ++i) { plan.pieces.push_back({.block = first + i, .part = BundlePart::tokens, .first = i * length, .rows = length}); }
    return plan;
  }

  [[nodiscard]] static std::vector<Setting<BlockTokens>> settings() {
    return {number_setting("prompt-length", "rows of one prompt in each block", &BlockTokens::length, Index{1}, Index{10000}),
            number_setting("prompt-first", "first block with a prompt", &BlockTokens::first, Index{0}, Index{1000}),
            number_setting("prompt-blocks", "blocks with a prompt", &BlockTokens::blocks, Index{1}, Index{1000})};
  }
};
static_assert(PromptPlacement<BlockTokens>);

}  // namespace accrete
