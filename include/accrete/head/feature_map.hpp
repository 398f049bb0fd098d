#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/head/concept.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>

namespace accrete {

template <class F>
concept HasMapName = requires {
  { F::name } -> std::convertible_to<std::string_view>;
};

/// Is made from the width of the features, a wanted number of outputs (0: its own choice) and a seed, and equal exactly when those were.
template <class F>
concept IsMadeFromKey = std::constructible_from<F, Index, Index, std::uint64_t> && std::equality_comparable<F>;

/// Says how wide what it takes and gives is.
template <class F>
concept HasMapWidths = requires(F const& map) {
  { map.inputs() } -> std::same_as<Index>;
  { map.outputs() } -> std::same_as<Index>;
};

/// Computes whole panels of outputs, so that nobody needs all outputs of all samples at once:
/// `apply(exec, features, first, out)` gives outputs [first, first + out.width) where `first` is a multiple of `panel`.
template <class F>
concept AppliesPanels = requires(F const& map, detail::AnyExecutor const& exec, RowsView<float const> features, Index first, RowsView<float> out) {
  { F::panel } -> std::convertible_to<Index>;
  map.apply(exec, features, first, out);
};

/// A fixed map of features [n, L] to outputs [n, M], row by row; nothing in it is learned. Cheap to copy.
template <class F>
concept FeatureMap = std::copyable<F> && HasMapName<F> && IsMadeFromKey<F> && HasMapWidths<F> && AppliesPanels<F>;

}  // namespace accrete
