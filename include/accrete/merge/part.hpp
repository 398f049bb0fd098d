#pragma once

#include <string_view>

namespace accrete {

/// A rule with this merges everything that the backbone learns.
struct OfBackbone {
  static constexpr std::string_view name = "backbone";
  static constexpr bool of_prompt = false;
  [[nodiscard]] static constexpr bool takes(std::string_view /*segment*/) { return true; }
};

/// Everything that a prompt learns, as far as it was there before the task.
struct OfPrompt {
  static constexpr std::string_view name = "prompt";
  static constexpr bool of_prompt = true;
  [[nodiscard]] static constexpr bool takes(std::string_view /*segment*/) { return true; }
};

/// The prompts that all pictures and tasks share.
struct OfGeneralPrompt {
  static constexpr std::string_view name = "general-prompt";
  static constexpr bool of_prompt = true;
  [[nodiscard]] static constexpr bool takes(std::string_view segment) { return segment == "prompt.general"; }
};

namespace detail {
template <class M>
struct MergedPart {
  using Type = OfBackbone;
};
template <class M>
  requires requires { typename M::Part; }
struct MergedPart<M> {
  using Type = typename M::Part;
};
}  // namespace detail

/// Which parameters a rule merges: its `Part`, those of the backbone where it names none.
template <class M>
using MergedPart = typename detail::MergedPart<M>::Type;

}  // namespace accrete
