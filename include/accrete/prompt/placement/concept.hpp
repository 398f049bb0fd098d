#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/prompt/bundle.hpp>
#include <accrete/prompt/place.hpp>

#include <concepts>
#include <string_view>

namespace accrete {

/// Where the rows of one prompt go in a network.
///   plan(place)   the rows of one prompt and their places; ValueError when the network has no such block
template <class P>
concept PromptPlacement = std::copyable<P> && requires(P const& placement, PromptPlace const& place) {
  { P::name } -> std::convertible_to<std::string_view>;
  { placement.plan(place) } -> std::same_as<BundlePlan>;
};

}  // namespace accrete
