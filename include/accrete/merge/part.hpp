#pragma once

#include <accrete/core/parameter_store.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace accrete {

/// A rule with this merges everything that the backbone learns.
struct OfBackbone {
  static constexpr std::string_view name = "backbone";
  static constexpr bool of_prompt = false;
  [[nodiscard]] static constexpr bool takes(std::string_view /*segment*/) { return true; }
};

/// Of the backbone, scales and shifts of the norms.
struct OfNorms {
  static constexpr std::string_view name = "norms";
  static constexpr bool of_prompt = false;
  [[nodiscard]] static constexpr bool takes(std::string_view segment) { return segment.find("norm") != std::string_view::npos; }
};

/// Of the backbone, the matrices of attention and MLP, low-rank factors included; no biases, norms and embeddings.
struct OfAttentionAndMlp {
  static constexpr std::string_view name = "attention-and-mlp";
  static constexpr bool of_prompt = false;
  [[nodiscard]] static constexpr bool takes(std::string_view segment) {
    bool const inside = segment.find(".attn.") != std::string_view::npos || segment.find(".mlp.") != std::string_view::npos;
    return inside && (segment.ends_with(".weight") || segment.ends_with(".a") || segment.ends_with(".b"));
  }
};

/// Of the backbone, published values that a tuning moves beside parts of its own (role `trunk`).
struct OfTrunk {
  static constexpr std::string_view name = "trunk";
  static constexpr bool of_prompt = false;
  [[nodiscard]] static constexpr bool takes(std::string_view /*segment*/, std::string_view role) { return role == "trunk"; }
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

/// Which parameters a rule merges: its `Part`, those of the backbone where it names none. What it does not take stays as the task left it.
template <class M>
using MergedPart = typename detail::MergedPart<M>::Type;

/// Whether a part takes a segment, by its name or by name and role.
template <class Part>
[[nodiscard]] bool takes_segment(ParameterSegment const& segment) {
  if constexpr (requires { Part::takes(segment.name, segment.role); }) {
    return Part::takes(segment.name, segment.role);
  } else {
    return Part::takes(segment.name);
  }
}

/// What learns of a store and is taken by a part, in the order of the buffer.
template <class Part>
[[nodiscard]] std::vector<ParameterSpan> spans_of_part(ParameterStore<float> const& store) {
  std::vector<ParameterSpan> spans = store.trainable();
  std::erase_if(spans, [&](ParameterSpan const& span) { return !takes_segment<Part>(store.segments()[static_cast<std::size_t>(span.segment)]); });
  return spans;
}

}  // namespace accrete
