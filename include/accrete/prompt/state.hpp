#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/prompt/measures.hpp>
#include <accrete/prompt/place.hpp>

namespace accrete {

/// What the states of prompts that learn have in common.
class PromptState {
 public:
  [[nodiscard]] ParameterStore<float>& parameters() { return parameters_; }
  [[nodiscard]] ParameterStore<float> const& parameters() const { return parameters_; }
  [[nodiscard]] PromptPlace const& place() const { return place_; }

  /// What a model file keeps of it.
  template <class Writer>
  void write(Writer const& writer) const {
    place_.write(writer.scope("place"));
    write_measures(drift_, writer.scope("drift"));
    parameters_.write(writer);
  }
  /// Reads what `write` wrote, whatever the shapes are.
  /// @throws FileError  when something is missing or of another kind
  template <class Reader>
  void read(Reader const& reader) {
    place_ = PromptPlace::read(reader.scope("place"));
    drift_ = read_measures(reader.scope("drift"));
    parameters_ = ParameterStore<float>::read(reader);
  }

 protected:
  ParameterStore<float> parameters_;
  PromptPlace place_;
  ParameterStore<float> before_;  ///< as the task began
  Measures drift_;                ///< how far the last task moved it
};

}  // namespace accrete
