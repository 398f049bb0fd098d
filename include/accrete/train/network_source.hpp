#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/core/accumulates.hpp>
#include <accrete/core/error.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/data/loader.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/train/batch_order.hpp>
#include <accrete/train/learning_part.hpp>
#include <accrete/train/query_source.hpp>
#include <accrete/train/reading.hpp>
#include <accrete/train/teacher.hpp>
#include <accrete/train/token_queries.hpp>
#include <accrete/train/training_settings.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

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

/// The part of a learning hook that the network asks.
template <class Hook>
[[nodiscard]] auto& injected_by(Hook& hook) {
  if constexpr (requires { hook.injected(); }) {
    return hook.injected();
  } else {
    return hook;
  }
}

/// How many first rows the prompt has the feature made of; 0: as the network reads it.
template <class Prompt>
[[nodiscard]] Index read_rows_of(Prompt const& prompt, typename Prompt::State const& state) {
  if constexpr (AsksForQueries<Prompt>) {
    return prompt.read_rows(state);
  } else {
    return 0;
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
        trainer_(exec, network, detail::read_rows_of(prompt, state)),
        query_(query_source(exec, network, prompt, state, kept_queries())) {
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

  /// @param[out] features [B, D] host memory;  @param[in] labels [B] columns
  void forward(MatrixView<float> features, std::span<Index const> labels, RngKey const& dropout) {
    if constexpr (std::is_same_v<Memory, HostMemory>) {
      forward_there(batch_.images.cview(), features, labels, dropout);
    } else {
      images_ = Tensor<float, 4, Memory>(batch_.images.shape());
      features_ = Matrix<float, Memory>(features.shape());
      kernels::upload(exec_, batch_.images.cview(), images_.view());
      forward_there(images_.cview(), features_.view(), labels, dropout);
      kernels::download(exec_, features_.cview(), features);
    }
  }

  /// Keeps copies of a network and its prompt as a teacher.
  void keep_teacher(Network const& network, Prompt const& prompt, typename Prompt::State const& state) { teacher_.emplace(network, prompt, state); }

  /// The features that the batch has under the teacher.
  /// @param[out] features [B, D] host memory
  /// @throws ValueError  without a teacher
  void teach(MatrixView<float> features) const {
    if (!teacher_) { fail<ValueError>("NetworkSource::teach", "no teacher is kept"); }
    teacher_->features(exec_, batch_.images.cview(), features);
  }

  /// `weight` times what the prompt adds to the loss of the batch; its gradient is added.
  [[nodiscard]] double own_loss(double weight) {
    if constexpr (AsksForQueries<Prompt>) {
      return hook_.own_loss(weight);
    } else {
      return 0.0;
    }
  }

  /// Begins a gradient with zero.
  void clear() { trainer_.zero_gradients(); }

  /// Adds the gradients of this batch; of the network, if asked, the squares of its samples' own.
  /// @param[in] d_features [B, D] host memory
  void backward(MatrixView<float const> d_features, Accumulates what = Accumulates::sums) {
    if constexpr (std::is_same_v<Memory, HostMemory>) {
      trainer_.backward(d_features, detail::injected_by(hook_), what);
    } else {
      kernels::upload(exec_, d_features, features_.view());
      trainer_.backward(features_.cview(), detail::injected_by(hook_), what);
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
    replays_ = true;
    while (loader.next(batch_)) { use(); }
    replays_ = false;
  }

  /// Lets `change` move what learns of the network.
  void change(std::function<void(VectorView<float>)> const& change) { backbone_.change(change); }

  /// Shows `follow` what learns, of the prompt or of the network.
  void look(bool prompt, std::function<void(ParameterStore<float> const&)> const& follow) const { follow((prompt ? prompt_ : backbone_).values()); }

  /// Runs with the values of the parts from here on.
  void refresh() {
    if (backbone_.values().size() > 0) { trainer_.refresh(backbone_.values()); }
    if constexpr (LearnedPrompt<Prompt>) { hook_.refresh(prompt_.values()); }
  }

  /// Hands what was learned over.
  void take(Network& network, typename Prompt::State& state) {
    if (backbone_.values().size() > 0) { network.assign(backbone_.take()); }
    if constexpr (LearnedPrompt<Prompt>) { state.parameters() = prompt_.take(); }
    if constexpr (AsksForQueries<Prompt>) { hook_.finish(state); }
  }

  /// What is counted on the way, beside the parts.
  template <class Writer>
  void write(Writer const& writer) const {
    if constexpr (AsksForQueries<Prompt>) { hook_.write(writer.scope("prompt.counts")); }
  }
  template <class Reader>
  void read(Reader const& reader) {
    if constexpr (AsksForQueries<Prompt>) { hook_.read(reader.scope("prompt.counts")); }
  }

 private:
  struct NoQueries {
    static constexpr bool shares_front = false;
  };
  using Queries = std::conditional_t<AsksForQueries<Prompt>, QuerySource<Exec, Network, QueryOf<Prompt>>, NoQueries>;

  [[nodiscard]] static Queries query_source(Exec const& exec, Network const& network, Prompt const& prompt, typename Prompt::State const& state, Index kept) {
    if constexpr (AsksForQueries<Prompt>) {
      return {exec, network, prompt.first_block(state), kept};
    } else {
      return {};
    }
  }

  /// Every picture in every form, where these can be counted and their queries need no more than 256 MB.
  [[nodiscard]] Index kept_queries() const {
    constexpr Index most = Index{1} << 26;
    Index const pictures = examples_.size() * settings_.augmentation.forms();
    return pictures <= most / width_ ? pictures : 0;
  }

  /// Which of those the batch holds; none while it is of earlier tasks.
  [[nodiscard]] std::vector<Index> pictures() const {
    std::vector<Index> all;
    if (replays_) { return all; }
    Index const forms = settings_.augmentation.forms();
    for (std::size_t b = 0; b < batch_.positions.size(); ++b) { all.push_back(batch_.positions[b] * forms + batch_.forms[b]); }
    return all;
  }

  void forward_there(TensorView<float const, 4> images, MatrixView<float> features, std::span<Index const> labels, RngKey const& dropout) {
    if constexpr (AsksForQueries<Prompt>) { hook_.prepare(query_(images, pictures()), labels); }
    if constexpr (Queries::shares_front) {
      trainer_.forward_behind(query_.tokens(), query_.first_block(), detail::injected_by(hook_), features, dropout);
    } else {
      trainer_.forward(images, detail::injected_by(hook_), features, dropout);
    }
  }

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
  Queries query_;
  std::optional<Teacher<Network, Prompt>> teacher_;
  bool replays_ = false;
  std::unique_ptr<Loader> loader_;
  Batch batch_;
  Tensor<float, 4, Memory> images_;
  Matrix<float, Memory> features_;
};

}  // namespace accrete
