#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/prompt/concept.hpp>

namespace accrete {

/// No prompt: the backbone is used as it was published.
struct NoPrompt {
  static constexpr std::string_view name = "none";
  static constexpr bool needs_query = false;
  struct State {};

  void begin_task(State& /*state*/, TaskInfo const& /*task*/) const {}
  void end_task(State& /*state*/, TaskInfo const& /*task*/) const {}
  template <class Exec>
  [[nodiscard]] NoHook hook(Exec const& /*exec*/, State const& /*state*/) const {
    return {};
  }
};
static_assert(PromptStrategy<NoPrompt> && !LearnedPrompt<NoPrompt>);

}  // namespace accrete
