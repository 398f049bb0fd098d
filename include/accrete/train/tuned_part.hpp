#pragma once

#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/fwd.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/prompt/place.hpp>

#include <type_traits>
#include <utility>

namespace accrete {

/// Has several networks, of which one learns.
template <class B>
concept HasTunedPart = requires(B& backbone) {
  backbone.tuned();
};

/// The network of a backbone that learns: one branch of several, or the backbone itself.
template <class B>
[[nodiscard]] auto& tuned_part(B& backbone) {
  if constexpr (HasTunedPart<B>) {
    return backbone.tuned();
  } else {
    return backbone;
  }
}

namespace detail {
template <class Network>
struct TuningOf {
  using Type = Frozen;
};
template <class Tuning>
struct TuningOf<Vit<Tuning>> {
  using Type = Tuning;
};
}  // namespace detail

/// What of a backbone moves while it learns.
template <class B>
using TuningOf = typename detail::TuningOf<std::remove_cvref_t<decltype(tuned_part(std::declval<B&>()))>>::Type;

/// Keeps one network for each task: their features stand side by side, and only the newest moves.
template <class B>
concept BanksTunings = requires(B& backbone, B const& known, TaskInfo const& task) {
  backbone.begin_task(task);
  known.networks();
};

/// A bank whose networks are read out of one run through the trunk: a prompt may bend that.
template <class B>
concept SharesTrunk = BanksTunings<B> && B::shares_trunk;

/// The settings of what learns in a backbone.
template <class B>
[[nodiscard]] auto const& tuning_settings(B const& backbone) {
  if constexpr (requires { backbone.tuning(); }) {
    return backbone.tuning();
  } else {
    return tuned_part(backbone).tuning();
  }
}

/// Width of the features of one network of a backbone, of which a bank has several.
template <class B>
[[nodiscard]] Index part_width(B const& backbone) {
  if constexpr (BanksTunings<B>) {
    return backbone.part_width();
  } else {
    return backbone.width();
  }
}

/// Whether the features of a backbone move while it, or the prompt that bends it, learns.
template <class Backbone, class Prompt>
inline constexpr bool features_learn = !std::is_same_v<TuningOf<Backbone>, Frozen> || LearnedPrompt<Prompt>;

/// What a prompt must know of a network.
template <class Network>
[[nodiscard]] PromptPlace prompt_place(Network const& network) {
  auto const& shape = network.shape();
  return {network.depth(), shape.tokens(), network.width(), shape.channels * shape.patch * shape.patch};
}

/// The same of a backbone: of the part that learns, or of the trunk that all parts share.
template <class B>
[[nodiscard]] PromptPlace place_in(B const& backbone) {
  if constexpr (BanksTunings<B>) {
    return prompt_place(backbone.trunk());
  } else {
    return prompt_place(tuned_part(backbone));
  }
}

}  // namespace accrete
