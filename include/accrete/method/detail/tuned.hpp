#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>

#include <cstdint>

namespace accrete::method::detail {

/// What methods share that tune a vision transformer: their settings, their learner, and how the one is made of the other.
/// @tparam Tuning, Prompt, Head, Protocol, MergeType  the policies
template <class Tuning, class Prompt, class Head, class Protocol, class MergeType = NoMerge>
struct Tuned {
  using Merge = MergeType;
  using Settings = MethodSettings<Tuning, Prompt, Head, Protocol, NothingToSet, Merge>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Vit<Tuning>, Prompt, Head, Merge, Protocol>;

  /// @param[in] seed  draws what the policies draw: first values, the order and augmentation of the pictures, a projection, features of an alignment
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>(Vit<Tuning>(trunk, drawn.tuning, Settings::tuning_key(seed)), drawn.prompt, drawn.head, drawn.merge, drawn.protocol);
  }
};

}  // namespace accrete::method::detail
