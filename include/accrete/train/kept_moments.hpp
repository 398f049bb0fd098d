#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/optimizer_state.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// What optimisers take along from one task into the next, where one optimiser is to serve for the whole run: moments and numbers of steps, by part and segment.
class KeptMoments {
 public:
  [[nodiscard]] bool empty() const { return parts_.empty(); }

  /// Remembers what a part ended with.
  void keep(std::string const& part, ParameterStore<float> const& store, OptimizerState<float> state) {
    Part kept{{}, {}, std::move(state)};
    for (ParameterSegment const& segment : store.segments()) {
      kept.names.push_back(segment.name);
      kept.places.push_back(store.offset(segment.name));
      kept.places.push_back(segment.elements());
    }
    parts_[part] = std::move(kept);
  }

  /// What a part goes on with. Segments may have grown since: new rows have no moments, and a new segment counts the steps of the others, as if it had been there.
  [[nodiscard]] OptimizerState<float> of(std::string const& part, ParameterStore<float> const& store, std::size_t moment_count) const {
    OptimizerState<float> state(store, moment_count);
    auto const found = parts_.find(part);
    if (found == parts_.end()) { return state; }
    Part const& kept = found->second;
    expects(kept.state.moments.size() == moment_count, "KeptMoments::of", "the number of moments must be that of the optimiser", kept.state.moments.size(), moment_count);
    Index const most = kept.state.steps.empty() ? 0 : *std::max_element(kept.state.steps.begin(), kept.state.steps.end());
    std::fill(state.steps.begin(), state.steps.end(), most);
    for (std::size_t i = 0; i < state.steps.size(); ++i) {
      ParameterSegment const& segment = store.segments()[i];
      auto const name = std::find(kept.names.begin(), kept.names.end(), segment.name);
      if (name == kept.names.end()) { continue; }
      auto const before = static_cast<std::size_t>(name - kept.names.begin());
      state.steps[i] = kept.state.steps[before];
      Index const count = std::min(kept.places[2 * before + 1], segment.elements());
      for (std::size_t moment = 0; moment < moment_count; ++moment) {
        std::copy_n(kept.state.moments[moment].data() + kept.places[2 * before], count, state.moments[moment].data() + store.offset(segment.name));
      }
    }
    return state;
  }

  /// @tparam Writer  `ModelWriter`; this must live until it has written
  template <class Writer>
  void write(Writer const& writer) const {
    std::vector<std::string> names;
    for (auto const& [name, part] : parts_) {
      names.push_back(name);
      Writer const own = writer.scope(name);
      own.setting("segments", part.names);
      own.setting("places", part.places);
      part.state.write(own);
    }
    writer.setting("parts", names);
  }
  /// @throws FileError  when something is missing or does not fit together
  template <class Reader>
  [[nodiscard]] static KeptMoments read(Reader const& reader) {
    KeptMoments all;
    for (auto const& name : reader.template setting<std::vector<std::string>>("parts")) {
      Reader const own = reader.scope(name);
      Part part{own.template setting<std::vector<std::string>>("segments"), own.template setting<std::vector<Index>>("places"), {}};
      part.state.steps = own.template setting<std::vector<Index>>("steps");
      auto const count = own.template setting<Index>("moments");
      for (Index i = 0; i < count; ++i) { part.state.moments.push_back(own.template tensor<float, 1>("moment" + std::to_string(i))); }
      if (!part.fits()) { fail<FileError>(reader.path().string(), "holds moments of an optimiser that do not fit the segments they name"); }
      all.parts_[name] = std::move(part);
    }
    return all;
  }

 private:
  struct Part {
    std::vector<std::string> names;  ///< of the segments
    std::vector<Index> places;       ///< first element and number of elements of each
    OptimizerState<float> state;

    [[nodiscard]] bool fits() const {
      if (places.size() != 2 * names.size() || state.steps.size() != names.size()) { return false; }
      for (auto const& moment : state.moments) {
        for (std::size_t i = 0; i < names.size(); ++i) {
          if (places[2 * i] < 0 || places[2 * i + 1] < 0 || places[2 * i + 1] > moment.size() - places[2 * i]) { return false; }
        }
      }
      return true;
    }
  };

  std::map<std::string, Part> parts_;
};

/// Lets rows learn on that have learned before: an optimiser that remembers them moves them although their gradient is zero.
inline void let_earlier_rows_learn(ParameterStore<float>& store) {
  std::vector<ParameterSegment> const segments = store.segments();
  for (ParameterSegment const& segment : segments) {
    if (segment.trainable_rows > 0) { store.train_rows(segment.name, 0, segment.first_trainable + segment.trainable_rows); }
  }
}

}  // namespace accrete
