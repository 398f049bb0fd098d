#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/fwd.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace accrete {

namespace detail {
template <class Backbone>
struct TrunkOf {
  using Type = Backbone;
};
template <class Tuning>
struct TrunkOf<Vit<Tuning>> {
  using Type = Vit<Frozen>;
};
template <class Backbone>
  requires(requires { typename Backbone::Trunk; })
struct TrunkOf<Backbone> {
  using Type = typename Backbone::Trunk;
};
}  // namespace detail

/// The published network that a backbone is, or rests on.
template <class Backbone>
using TrunkOf = typename detail::TrunkOf<Backbone>::Type;

/// Puts itself together out of what a model file records and a published network that is open already.
template <class Backbone, class Reader, class Trunk>
concept ReopensOnTrunk = requires(Reader const& reader, Trunk const& trunk) {
  { Backbone::read(reader, trunk) } -> std::same_as<Backbone>;
};

/// The backbone that a model file records, on a published network that is open already; file and packed weights are shared.
/// @throws FileError  when what the file records does not fit the network
template <class Backbone, class Reader, class Trunk>
[[nodiscard]] Backbone reopened(Reader const& reader, Trunk trunk) {
  if constexpr (std::is_same_v<Backbone, Trunk>) {
    return trunk;
  } else if constexpr (ReopensOnTrunk<Backbone, Reader, Trunk>) {
    return Backbone::read(reader, trunk);
  } else {
    Backbone tuned(trunk, {}, RngKey{});
    tuned.read_learned(reader);
    return tuned;
  }
}

}  // namespace accrete
