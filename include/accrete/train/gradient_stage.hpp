#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/train/checkpoint.hpp>
#include <accrete/train/feature_pass.hpp>
#include <accrete/train/feature_source.hpp>
#include <accrete/train/gradient_loop.hpp>
#include <accrete/train/network_source.hpp>
#include <accrete/train/reading.hpp>
#include <accrete/train/task_plan.hpp>
#include <accrete/train/term/stage_terms.hpp>
#include <accrete/train/tuned_part.hpp>

#include <utility>
#include <vector>

namespace accrete {

/// Lets exactly those blocks of a head learn of which a row competes, and what belongs to no block, such as a common scale.
inline void let_competitors_learn(ParameterStore<float>& store, ColumnRange competing) {
  let_learn(store, LearningBlocks::all);
  for (HeadBlock const& block : head_blocks(store)) {
    if (block.first < competing.first + competing.count && competing.first < block.first + block.classes) { continue; }
    store.train_rows(block.weight, 0, 0);
    if (!block.bias.empty()) { store.train_rows(block.bias, 0, 0); }
  }
}

/// Learning by gradient of one task: chooses where features come from, and runs the loop.
/// @tparam Protocol  GradientProtocol
template <class Exec, class Prompt, class Protocol>
class GradientStage {
 public:
  /// All must outlive the stage.
  GradientStage(Exec const& exec, Protocol const& protocol, Prompt const& prompt, Examples const& examples, Reading const& reading, TrainingRun const& run)
      : exec_(exec), protocol_(protocol), prompt_(prompt), examples_(examples), reading_(reading), run_(run) {}

  /// Moves what learns of the backbone and the prompt, and the parameters of a head.
  template <class Backbone, class Head>
  void train(Backbone& backbone, typename Prompt::State& prompt, Head const& head, ParameterStore<float>& parameters, TrainingTask const& task) const {
    let_competitors_learn(parameters, task.moments == nullptr ? task.competing : ColumnRange{0, task.competing.first + task.competing.count});
    if constexpr (LearnedPrompt<Prompt>) {
      if (task.moments != nullptr) { let_earlier_rows_learn(prompt.parameters()); }
    }
    if constexpr (features_learn<Backbone, Prompt>) {
      auto& network = tuned_part(backbone);
      NetworkSource source(exec_, network, prompt_, prompt, examples_, protocol_.training, protocol_.optimizer, reading_);
      if (asks_for_teacher(protocol_.loss, task.earlier)) { source.keep_teacher(network, prompt_, prompt); }
      run(source, head, parameters, task);
      source.take(network, prompt);
    } else {
      FeatureSet const set = extract_features(exec_, backbone, examples_, reading_);
      FeatureSource<typename Protocol::Optimizer> source(set.features.view(), protocol_.training.batch);
      run(source, head, parameters, read_samples(task, set.positions));
    }
  }

 private:
  template <class Source, class Head>
  void run(Source& source, Head const& head, ParameterStore<float>& parameters, TrainingTask const& task) const {
    GradientLoop loop(exec_, source, head, parameters, protocol_, task);
    loop.run(run_);
    parameters = loop.take_head();
  }

  /// The task without the samples that could not be read.
  static TrainingTask read_samples(TrainingTask task, std::vector<Index> const& positions) {
    std::vector<Index> columns;
    for (Index const position : positions) { columns.push_back(task.columns[static_cast<std::size_t>(position)]); }
    task.columns = std::move(columns);
    return task;
  }

  Exec const& exec_;
  Protocol const& protocol_;
  Prompt const& prompt_;
  Examples const& examples_;
  Reading const& reading_;
  TrainingRun const& run_;
};

}  // namespace accrete
