#pragma once

#include <accrete/backbone/tuned_network.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>

#include <algorithm>
#include <concepts>
#include <string>
#include <string_view>

namespace accrete {

/// Has a name.
template <class T>
concept NamesItself = requires {
  { T::name } -> std::convertible_to<std::string_view>;
};

/// Adds what learns to a store, with first values drawn from a key.
template <class T>
concept DeclaresWhatLearns = requires(T const& tuning, TunedNetwork const& network, RngKey const& key, ParameterStore<float>& store) {
  tuning.declare(network, key, store);
};

/// Says what its parameters are used for.
template <class T>
concept StatesItsForm = requires(T const& tuning) {
  { tuning.form() } -> std::convertible_to<TuningForm>;
};

/// What of a backbone moves while it learns: an aggregate of settings. The network itself follows the names in the store:
///   <published name>                            the published value, learned on
///   <layer>.lora.{a,b,scale}, <layer>.lora_{q,k,v}.{a,b,scale}   low-rank parts of a linear layer, and factors of them
///   <layer>.ssf.{scale,shift}                   scale and shift behind a linear layer or norm
///   blocks.<i>.adapter.{down,up}.{weight,bias}       a bottleneck beside or behind the MLP, and a factor of it: .scale
///   blocks.<i>.attn.adapter.{down,up}.{weight,bias}  one beside attention, and a factor of it: .scale
///   class_attention.token, class_attention.<layer>   a block behind the last one that reads all its rows in place of norm and pool
/// Its segments have the role `backbone`; those of published values that move beside parts of its own have the role `trunk`.
template <class T>
concept BackboneTuning = std::copyable<T> && NamesItself<T> && DeclaresWhatLearns<T> && StatesItsForm<T>;

/// Moves nothing of the published network and only puts something behind it: networks of one file then share the packed weights, and a run through them.
template <class T>
concept LeavesTrunk = BackboneTuning<T> && requires {
  requires T::leaves_trunk;
};

namespace detail {
/// A segment that learns as a whole.
[[nodiscard]] inline ParameterSegment learned_segment(std::string name, std::vector<Index> shape, std::string role = "backbone") {
  Index const rows = shape.front();
  return {.name = std::move(name), .shape = std::move(shape), .role = std::move(role), .task = -1, .decays = true, .first_trainable = 0, .trainable_rows = rows};
}

/// Adds a segment that learns as a whole and returns its values.
inline VectorView<float> declare_segment(ParameterStore<float>& store, std::string const& name, std::vector<Index> shape, std::string role = "backbone") {
  store.add(learned_segment(name, std::move(shape), std::move(role)));
  ParameterSpan const span = store.trainable().back();
  return store.view(span);
}

/// Adds a number that learns, 1 at first.
inline void declare_factor(ParameterStore<float>& store, std::string const& name) { declare_segment(store, name, {1})[0] = 1.0F; }

/// The blocks that a tuning moves: the first few, or all of them.
[[nodiscard]] inline Index tuned_blocks(Index wanted, Index depth) { return wanted > 0 ? std::min(wanted, depth) : depth; }

/// A stream of random numbers for each segment, so that a value does not depend on what else is declared.
[[nodiscard]] inline Rng segment_rng(RngKey key, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (char const c : name) { hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U; }
  key.object ^= hash;
  return Rng(key);
}

/// U(-bound, bound)
inline void fill_uniform(Rng const& rng, double bound, VectorView<float> values) {
  for (Index i = 0; i < values.size(); ++i) { values[i] = static_cast<float>(bound * (2 * rng.uniform(static_cast<std::uint64_t>(i)) - 1)); }
}

/// N(mean, deviation^2)
inline void fill_normal(Rng const& rng, float mean, float deviation, VectorView<float> values) {
  rng.fill_normal(0, values);
  for (float& value : values) { value = mean + deviation * value; }
}
}  // namespace detail

}  // namespace accrete
