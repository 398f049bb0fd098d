#pragma once

#include <accrete/core/error.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace accrete {

template <class W>
concept HasWeightMapName = requires {
  { W::name } -> std::convertible_to<std::string_view>;
};

namespace detail {
template <class W, class T>
concept MapsScoresOf = requires(W const& map, std::span<T const> z, std::span<T> p) {
  map.template forward<T>(z, p);
};
template <class W, class T>
concept BackpropagatesWeightsOf = requires(W const& map, std::span<T const> p, std::span<T const> g, std::span<T> dz) {
  map.template backward<T>(p, g, dz);
};

/// @throws ShapeError  when the lengths differ;  ValueError  when there is nothing to weight
inline void check_weights(std::string_view function, std::size_t weights, std::size_t others) {
  expects(weights == others, function, "a row and its weights must have one length", others, weights);
  if (weights == 0) { fail<ValueError>(function, "needs at least one weight (came: ", weights, ")"); }
}
}  // namespace detail

/// Turns the scores z [M] of a row into weights p [M], in float and in double.
template <class W>
concept MapsScores = detail::MapsScoresOf<W, float> && detail::MapsScoresOf<W, double>;

/// Gives dLoss/dz [M] from p [M], which is what `forward` gave, and g = dLoss/dp [M].
template <class W>
concept BackpropagatesWeights = detail::BackpropagatesWeightsOf<W, float> && detail::BackpropagatesWeightsOf<W, double>;

/// How much of each component of a pool a query gets: a map of the row of its scores to the row of its weights. The components it gets anything of,
/// the support, are those with p != 0.
template <class W>
concept WeightMap = std::copyable<W> && HasWeightMapName<W> && MapsScores<W> && BackpropagatesWeights<W>;

}  // namespace accrete
