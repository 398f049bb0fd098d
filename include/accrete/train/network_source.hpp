#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/data/loader.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/train/batch_order.hpp>
#include <accrete/train/learning_part.hpp>
#include <accrete/train/reading.hpp>
#include <accrete/train/training_settings.hpp>

#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace accrete {

namespace detail {
/// The hook of a prompt while it learns; none where it does not.
template <class Exec, class Prompt>
[[nodiscard]] auto learning_hook_of(Exec const& exec, Prompt const& prompt, typename Prompt::State const& state) {
  if constexpr (LearnedPrompt<Prompt>) {
    return prompt.learning_hook(exec, state);
  } else {
    return NoHook{};
  }
}

template <class Prompt>
[[nodiscard]] ParameterStore<float> prompt_values(typename Prompt::State const& state) {
  if constexpr (LearnedPrompt<Prompt>) {
    return state.parameters();
  } else {
    return {};
  }
}
}  // namespace detail

/// A network that learns, and the prompt that bends it, as the source of a gradient loop: reads the pictures of a batch, runs them forward,
/// and takes the gradient of their features back to everything that learns below the head.
/// @tparam Network  Vit<Tuning>
template <class Exec, class Network, class Prompt, class Optimizer>
class NetworkSource {
  using Memory = typename Exec::Memory;
  using Hook = decltype(detail::learning_hook_of(std::declval<Exec const&>(), std::declval<Prompt const&>(), std::declval<typename Prompt::State const&>()));

 public:
  /// @param exec, examples, settings  must outlive the source
  NetworkSource(Exec const& exec, Network const& network, Prompt const& prompt, typename Prompt::State const& state, Examples const& examples, TrainingSettings const& settings,
                Optimizer const& optimizer, Reading const& reading)
      : exec_(exec),
        examples_(examples),
        preprocessing_(network.preprocessing()),
        settings_(settings),
        loading_{.batch = settings.batch, .threads = reading.loader_threads, .skip_bad = reading.skip_bad},
        width_(network.width()),
        backbone_(optimizer, "backbone", network.parameters()),
        prompt_(optimizer, "prompt", detail::prompt_values<Prompt>(state)),
        prompt_gradients_(prompt_.values()),
        hook_(detail::learning_hook_of(exec, prompt, state)),
        trainer_(exec, network) {
    collect();
  }
  NetworkSource(NetworkSource const&) = delete;
  NetworkSource& operator=(NetworkSource const&) = delete;
  ~NetworkSource() = default;

  [[nodiscard]] Index samples() const { return examples_.size(); }
  [[nodiscard]] Index width() const { return width_; }
  /// What learns here.
  [[nodiscard]] LearningParts<Optimizer> parts() { return {&backbone_, &prompt_}; }

  /// Goes to a batch of an epoch.
  void begin_epoch(BatchOrder const& order, Index first_batch) {
    TrainingPass pass{.order = order.positions(), .first_batch = first_batch, .augmentation = settings_.augmentation, .seed = order.seed, .task = order.task, .epoch = order.epoch};
    loader_ = std::make_unique<Loader>(examples_, preprocessing_, loading_, std::move(pass));
  }

  /// Takes the next batch; false at the end of the epoch.
  /// @throws FileError  for a picture that cannot be read, unless it may be left out
  [[nodiscard]] bool next() { return loader_->next(batch_); }
  /// The samples of the batch.
  [[nodiscard]] std::span<Index const> positions() const { return batch_.positions; }
  /// Batches of this epoch up to and including this one, those counted of which nothing could be read.
  [[nodiscard]] Index batches_done() const { return (loader_->done() + settings_.batch - 1) / settings_.batch; }

  /// @param[out] features [B, D] host memory
  void forward(MatrixView<float> features, RngKey const& dropout) {
    if constexpr (std::is_same_v<Memory, HostMemory>) {
      trainer_.forward(batch_.images.cview(), hook_, features, dropout);
    } else {
      images_ = Tensor<float, 4, Memory>(batch_.images.shape());
      features_ = Matrix<float, Memory>(features.shape());
      kernels::upload(exec_, batch_.images.cview(), images_.view());
      trainer_.forward(images_.cview(), hook_, features_.view(), dropout);
      kernels::download(exec_, features_.cview(), features);
    }
  }

  /// Begins a gradient with zero.
  void clear() { trainer_.zero_gradients(); }

  /// Adds the gradients of this batch.
  /// @param[in] d_features [B, D] host memory
  void backward(MatrixView<float const> d_features) {
    if constexpr (std::is_same_v<Memory, HostMemory>) {
      trainer_.backward(d_features, hook_);
    } else {
      kernels::upload(exec_, d_features, features_.view());
      trainer_.backward(features_.cview(), hook_);
    }
  }

  /// Leaves what was added up since `clear` in the parts.
  void collect() {
    backbone_.attach(trainer_.gradients());
    if constexpr (LearnedPrompt<Prompt>) { hook_.collect(prompt_gradients_); }
    prompt_.attach(prompt_gradients_.values());
  }

  /// Takes pictures of earlier tasks in place of the batch, as they are judged: `use()` is called for each part of them.
  template <class Use>
  void replay(Examples const& pictures, Use const& use) {
    Loader loader(pictures, preprocessing_, loading_);
    while (loader.next(batch_)) { use(); }
  }

  /// Lets `change` move what learns of the network.
  void change(std::function<void(VectorView<float>)> const& change) { backbone_.change(change); }

  /// Runs with the values of the parts from here on.
  void refresh() {
    if (backbone_.values().size() > 0) { trainer_.refresh(backbone_.values()); }
    if constexpr (LearnedPrompt<Prompt>) { hook_.refresh(prompt_.values()); }
  }

  /// Hands what was learned over.
  void take(Network& network, typename Prompt::State& state) {
    if (backbone_.values().size() > 0) { network.assign(backbone_.take()); }
    if constexpr (LearnedPrompt<Prompt>) { state.parameters() = prompt_.take(); }
  }

 private:
  Exec const& exec_;
  Examples const& examples_;
  Preprocessing preprocessing_;
  TrainingSettings const& settings_;
  LoaderSettings loading_;
  Index width_;
  LearningPart<Optimizer> backbone_;
  LearningPart<Optimizer> prompt_;
  ParameterStore<float> prompt_gradients_;
  Hook hook_;
  VitTrainer<Exec> trainer_;
  std::unique_ptr<Loader> loader_;
  Batch batch_;
  Tensor<float, 4, Memory> images_;
  Matrix<float, Memory> features_;
};

}  // namespace accrete
