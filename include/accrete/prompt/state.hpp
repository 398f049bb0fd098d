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

 protected:
  ParameterStore<float> parameters_;
  PromptPlace place_;
  ParameterStore<float> before_;  ///< as the task began
  Measures drift_;                ///< how far the last task moved it
};

}  // namespace accrete
