#pragma once

#include "prompt_methods.hpp"

#include <type_traits>

/// The bodies of what prompt_methods.hpp promises, for the files that compile them.
namespace accrete::test {

template <class Method>
Observation learn(PromptLearner<Method>& learner, Examples const& task, TrainingRun const& run, Reading const& reading, int threads) {
  return learner.observe(HostExecutor<>{.threads = threads}, task, reading, run);
}

template <class Method>
Matrix<float> answers(PromptLearner<Method> const& learner, Examples const& pictures, Reading const& reading, int threads) {
  HostExecutor<> const exec{.threads = threads};
  if constexpr (DependsOnBatch<std::remove_cvref_t<decltype(learner.prompt())>>) {
    return learner.predict_batchwise(exec, pictures, reading).scores;
  } else {
    return learner.predict(exec, pictures, reading).scores;
  }
}

#define ACCRETE_COMPILE_METHOD(Method)                                                                                  \
  template Observation learn<Method>(PromptLearner<Method>&, Examples const&, TrainingRun const&, Reading const&, int); \
  template Matrix<float> answers<Method>(PromptLearner<Method> const&, Examples const&, Reading const&, int)

}  // namespace accrete::test
