#pragma once

#include <concepts>
#include <string>

namespace accrete {

/// Puts its name together out of those of its parts.
template <class P>
concept NamesItsParts = requires {
  { P::composition() } -> std::convertible_to<std::string>;
};

/// A policy's name as a model file says it.
template <class P>
[[nodiscard]] std::string policy_name() {
  if constexpr (NamesItsParts<P>) {
    return P::composition();
  } else {
    return std::string(P::name);
  }
}

}  // namespace accrete
