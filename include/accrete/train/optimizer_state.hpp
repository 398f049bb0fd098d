#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/tensor.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace accrete {

/// What one step does to one span: the rate and the weight decay of its group at this step.
struct ParameterUpdate {
  ParameterSpan span;
  double rate = 0.0;
  double weight_decay = 0.0;
};

/// What an optimiser has learned: running moments as long as the store, and how many steps each segment has taken.
/// A segment counts its own steps, since one without a gradient is skipped. The layout is that of the store the state was made for;
/// a store that grew needs a new state, as every stage of training begins with one.
template <class T>
struct OptimizerState {
  std::vector<Vector<T>> moments;  ///< each [P], zero where nothing learned yet
  std::vector<Index> steps;        ///< by segment

  OptimizerState() = default;
  /// No step taken.
  OptimizerState(ParameterStore<T> const& store, std::size_t moment_count) : steps(static_cast<std::size_t>(store.size()), 0) {
    for (std::size_t i = 0; i < moment_count; ++i) { moments.push_back(Vector<T>::zeros({store.values().size()})); }
  }

  /// @tparam Writer  `ModelWriter`; the state must live until it has written
  template <class Writer>
  void write(Writer const& writer) const {
    writer.setting("moments", static_cast<Index>(moments.size()));
    writer.setting("steps", steps);
    for (std::size_t i = 0; i < moments.size(); ++i) { writer.tensor("moment" + std::to_string(i), moments[i]); }
  }

  /// Reads what `write` wrote, for a store of the same layout.
  /// @tparam Reader  `ModelReader`
  /// @throws FileError  when something is missing or of another shape;  ShapeError  when the number of moments or segments is another
  template <class Reader>
  [[nodiscard]] static OptimizerState read(Reader const& reader, ParameterStore<T> const& store, std::size_t moment_count) {
    OptimizerState state;
    auto const count = reader.template setting<Index>("moments");
    expects(count == static_cast<Index>(moment_count), "OptimizerState::read", "the number of moments must be that of the optimiser", count, moment_count);
    state.steps = reader.template setting<std::vector<Index>>("steps");
    expects(static_cast<Index>(state.steps.size()) == store.size(), "OptimizerState::read", "there must be a number of steps for each segment", state.steps.size(), store.size());
    for (std::size_t i = 0; i < moment_count; ++i) { state.moments.push_back(reader.template tensor<T, 1>("moment" + std::to_string(i), Shape<1>{store.values().size()})); }
    return state;
  }
};

namespace detail {

/// Checks everything a step is given before it changes anything.
/// @throws ShapeError  when state or gradient are not of the store's layout, or an update is not one of `store.trainable()`, in its order
template <class T>
void check_step(std::string_view function, OptimizerState<T> const& state, std::size_t moment_count, ParameterStore<T> const& store, VectorView<T const> gradient,
                std::span<ParameterUpdate const> updates) {
  Index const size = store.values().size();
  expects(gradient.size() == size, function, "the gradient must be as long as the store", gradient.size(), size);
  expects(state.moments.size() == moment_count && static_cast<Index>(state.steps.size()) == store.size(), function, "the state must have been made by this optimiser for this store",
          state.moments.size(), moment_count, state.steps.size(), store.size());
  for (auto const& moment : state.moments) { expects(moment.size() == size, function, "the moments must be as long as the store", moment.size(), size); }
  Index last = -1;
  for (ParameterUpdate const& update : updates) {
    ParameterSpan const& span = update.span;
    expects(span.segment > last, function, "updates must name a segment once, in the order of the store", last, span.segment);
    ParameterSpan const learns = store.trainable_of(span.segment);
    expects(span == learns, function, "an update must be of all trainable rows of its segment", span.segment, span.first, span.count, learns.first, learns.count);
    last = span.segment;
  }
}

/// The decay of an update; none where the segment does not decay.
template <class T>
[[nodiscard]] T decay_of(ParameterStore<T> const& store, ParameterUpdate const& update) {
  return store.segments()[static_cast<std::size_t>(update.span.segment)].decays ? static_cast<T>(update.weight_decay) : T{0};
}

}  // namespace detail
}  // namespace accrete
