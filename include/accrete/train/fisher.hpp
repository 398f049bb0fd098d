#pragma once

#include <accrete/core/accumulates.hpp>
#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/train/batch_order.hpp>
#include <accrete/train/checkpoint.hpp>
#include <accrete/train/fisher_settings.hpp>
#include <accrete/train/loss/columns.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/network_source.hpp>
#include <accrete/train/reading.hpp>
#include <accrete/train/training_settings.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace accrete {

/// Whose Fisher information is wanted.
enum class FisherOf { network, prompt };

/// The mean of squared gradients, and its bounds:
///   F = clamp((1 / terms) sum g^2, floor, cap)
class FisherMean {
 public:
  explicit FisherMean(Index length) : sum_(Vector<float>::zeros({length})) {}

  /// Adds the square of a gradient as one term.
  /// @param[in] gradient [P]
  /// @throws ShapeError  for another length
  void add_squared(VectorView<float const> gradient) {
    expects(gradient.size() == sum_.size(), "FisherMean::add_squared", "the gradient must be as long as the mean", gradient.size(), sum_.size());
    std::transform(gradient.begin(), gradient.end(), sum_.begin(), sum_.begin(), [](float g, float sum) { return sum + g * g; });
    ++terms_;
  }

  /// Adds a sum of squares that stands for so many terms.
  /// @throws ShapeError  for another length
  void add_squares(VectorView<float const> squares, Index terms) {
    expects(squares.size() == sum_.size(), "FisherMean::add_squares", "the squares must be as long as the mean", squares.size(), sum_.size());
    std::transform(squares.begin(), squares.end(), sum_.begin(), sum_.begin(), [](float g, float sum) { return sum + g; });
    terms_ += terms;
  }

  /// Hands the Fisher information over; the mean is empty then.
  /// @throws ValueError  when nothing was added, or a sum is no number
  [[nodiscard]] Vector<float> take(FisherSettings const& settings) {
    if (terms_ == 0) { fail<ValueError>("FisherMean", "there is no gradient to square"); }
    double const share = 1.0 / static_cast<double>(terms_);
    Vector<float> mean = std::move(sum_);
    bool numbers = true;
    for (float& value : mean) {
      numbers = numbers && !std::isnan(value);
      value = static_cast<float>(std::clamp(static_cast<double>(value) * share, settings.floor, settings.cap));
    }
    if (!numbers) { fail<ValueError>("FisherMean", "a gradient is no longer a number; a smaller rate may help"); }
    sum_ = {};
    terms_ = 0;
    return mean;
  }

 private:
  Vector<float> sum_;
  Index terms_ = 0;
};

/// One pass over the pictures of a source as they are trained on, which leaves everything where it is:
///   of_batches:  F = mean over the batches of (d mean_b loss_b)^2        of_samples:  F = mean over the pictures of (d loss)^2
/// The loss is the cross-entropy over all classes of the head, not over those of a task alone, without smoothing and without what a prompt adds of its own.
/// Augmentation, order, dropout and drawn labels have keys of their own: the pass counts as an epoch that no stage reaches.
/// @tparam Source  as of GradientLoop;  @tparam Head  LearnsByGradient
template <class Exec, class Source, class Head>
class FisherPass {
 public:
  /// What every random key of the pass has for an epoch.
  static constexpr std::uint32_t epoch = std::numeric_limits<std::uint32_t>::max();

  /// All must outlive the pass.
  /// @param[in] parameters  of the head;  @param[in] columns [N] class of each picture;  @param[in] task  its number, a part of every key
  /// @throws ValueError  when the settings make no sense;  ShapeError  when there is not one class per picture
  FisherPass(Exec const& exec, Source& source, Head const& head, ParameterStore<float> parameters, std::vector<Index> const& columns, FisherSettings const& settings, Index batch, std::uint64_t seed,
             Index task)
      : exec_(exec),
        source_(source),
        head_(head),
        parameters_(std::move(parameters)),
        columns_(columns),
        settings_(settings),
        order_{.samples = source.samples(), .batch = batch, .seed = seed, .task = static_cast<std::uint32_t>(task), .epoch = epoch} {
    settings.check();
    expects(static_cast<Index>(columns.size()) == source.samples(), "FisherPass", "there must be one class per picture", columns.size(), source.samples());
    let_learn(parameters_, LearningBlocks::none);  // of the head, only the way down is wanted
    gradients_ = parameters_;
    for (HeadBlock const& block : head_blocks(parameters_)) { classes_ += block.classes; }
  }

  /// @param[in] part  of the source: what the information is of
  /// @returns F, of the layout of the part's store
  /// @throws ValueError   when a loss or a gradient is no longer finite;  Interrupted  when the checkpoint's `stop` said so;  what the source throws
  template <class Part>
  [[nodiscard]] Vector<float> run(Part const& part, TrainingRun const& run = {}) {
    bool const of_samples = settings_.squares == FisherSquares::of_samples;
    FisherMean mean(part.values().values().size());
    source_.clear();
    source_.begin_epoch(order_, 0);
    Index pictures = 0;
    while (source_.next()) {
      pictures += add_batch(of_samples ? Accumulates::squares : Accumulates::sums);
      if (!of_samples) {
        source_.collect();
        mean.add_squared(part.gradient());
        source_.clear();
      }
      if (run.checkpoint != nullptr && run.checkpoint->wants_to_stop()) { fail<Interrupted>("Fisher information", "stopped after ", source_.batches_done(), " of ", order_.batches(), " batches"); }
    }
    if (of_samples) {
      source_.collect();
      mean.add_squares(part.gradient(), pictures);
    }
    return mean.take(settings_);
  }

 private:
  /// @returns the number of pictures
  Index add_batch(Accumulates what) {
    auto const positions = source_.positions();
    auto const count = static_cast<Index>(positions.size());
    std::vector<Index> labels(positions.size());
    std::transform(positions.begin(), positions.end(), labels.begin(), [&](Index position) { return columns_[static_cast<std::size_t>(position)]; });
    Matrix<float> features({count, source_.width()});
    Matrix<float> d_features(features.shape());
    Matrix<float> logits({count, classes_});
    Matrix<float> d_logits(logits.shape());
    source_.forward(features.view(), labels, {.seed = order_.seed, .purpose = Purpose::dropout, .task = order_.task, .epoch = epoch, .object = static_cast<std::uint64_t>(source_.batches_done())});
    head_.logits(exec_, parameters_, features.cview(), logits.view());
    if (settings_.labels == FisherLabels::drawn) {
      for (std::size_t i = 0; i < labels.size(); ++i) { labels[i] = drawn_label(logits.cview()[static_cast<Index>(i)], positions[i]); }
    }
    double const loss = CrossEntropy{}(logits.cview(), labels, ColumnRange{0, classes_}, d_logits.view());
    if (!std::isfinite(loss)) { fail<ValueError>("Fisher information", "the loss is no longer finite; a smaller rate may help"); }
    if (what == Accumulates::squares) {  // of the loss of each picture, not of its share in the mean
      for (float& d : d_logits) { d *= static_cast<float>(count); }
    }
    head_.backward(exec_, parameters_, features.cview(), d_logits.cview(), d_features.view(), gradients_);
    source_.backward(d_features.cview(), what);
    return count;
  }

  /// A class drawn from the softmax of a picture's logits.
  [[nodiscard]] Index drawn_label(VectorView<float const> logits, Index position) const {
    std::vector<double> p;
    detail::softmax_row<float>(logits, p);
    Rng const random({.seed = order_.seed, .purpose = Purpose::class_sampling, .task = order_.task, .epoch = epoch, .object = static_cast<std::uint64_t>(position)});
    double left = random.uniform(0);
    for (std::size_t c = 0; c + 1 < p.size(); ++c) {
      left -= p[c];
      if (left < 0.0) { return static_cast<Index>(c); }
    }
    return classes_ - 1;
  }

  Exec const& exec_;
  Source& source_;
  Head const& head_;
  ParameterStore<float> parameters_;
  ParameterStore<float> gradients_;
  std::vector<Index> const& columns_;
  FisherSettings const& settings_;
  BatchOrder order_;
  Index classes_ = 0;
};

namespace detail {
/// The optimiser of a part that does not move.
struct NoSteps {
  template <class T>
  struct State {};
  template <class T>
  [[nodiscard]] State<T> start(ParameterStore<T> const& /*store*/) const {
    return {};
  }
};
}  // namespace detail

/// The diagonal Fisher information of what learns of a network, or of the prompt that bends it, on pictures with their training transform.
/// A prompt's gradients come together per batch, so that of samples takes batches of one picture there.
/// Memory: beside what a step of training takes, but for its moments, one F.
/// @param[in] parameters  of the head;  @param[in] columns [N] class of each picture
/// @returns F, of the layout of the network's or the prompt's store
/// @throws as FisherPass
template <FisherOf What, class Exec, class Network, class Prompt, class Head>
[[nodiscard]] Vector<float> fisher_information(Exec const& exec, Network const& network, Prompt const& prompt, typename Prompt::State const& prompt_state, Head const& head,
                                               ParameterStore<float> const& parameters, Examples const& examples, std::vector<Index> const& columns, Index task, FisherSettings settings,
                                               TrainingSettings training, Reading const& reading, TrainingRun const& run) {
  settings.check();
  if (settings.batch > 0) { training.batch = settings.batch; }
  if (What == FisherOf::prompt && settings.squares == FisherSquares::of_samples) {
    settings.squares = FisherSquares::of_batches;
    training.batch = 1;
  }
  NetworkSource source(exec, network, prompt, prompt_state, examples, training, detail::NoSteps{}, reading);
  FisherPass pass(exec, source, head, parameters, columns, settings, training.batch, training.seed, task);
  return pass.run(*source.parts()[What == FisherOf::network ? 0 : 1], run);
}

}  // namespace accrete
