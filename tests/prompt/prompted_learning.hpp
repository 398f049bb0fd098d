#pragma once

#include "prompt/placed.hpp"
#include "support/network.hpp"

#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/host/host.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/gradient_stage.hpp>
#include <accrete/train/learning_part.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/prompted.hpp>
#include <accrete/train/query_source.hpp>
#include <accrete/train/tuned_part.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace accrete::test {

/// The network "plain" of tests/golden/vit: three blocks over 17 rows of 36 numbers.
[[nodiscard]] inline Vit<> plain_network() {
  auto const network = network_case("plain");
  return Vit<>::load(network.weights, network.options());
}

/// Any hook, which also notes how many rows the sequence has behind each block.
template <class Hook>
struct Measured : Hook {
  explicit Measured(Hook hook) : Hook(std::move(hook)) {}

  std::vector<Index> lengths;

  void observe(Index /*block*/, TensorView<float const, 3> tokens) { lengths.push_back(tokens.extent(1)); }
};

/// A prompt and a linear head that learn tasks of two classes in front of and behind the plain network.
template <class Prompt, class Optimizer = Adam>
class PromptedLearning : public Placed<Prompt> {
 public:
  PromptedLearning(Vit<> const& vit, Prompt given, LinearHead head = {}, Optimizer optimizer = {})
      : Placed<Prompt>(std::move(given), prompt_place(vit)), vit_(vit), head_(std::move(head)), optimizer_(std::move(optimizer)) {}
  PromptedLearning(PromptedLearning const&) = delete;  // the hook knows where the prompt is
  PromptedLearning& operator=(PromptedLearning const&) = delete;
  ~PromptedLearning() = default;

  HostExecutor<> exec{.threads = 2};

  [[nodiscard]] Vit<> const& vit() const { return vit_; }
  [[nodiscard]] auto& hook() { return *hook_; }

  void begin_task(Index task) {
    task_ = Placed<Prompt>::info(task);
    this->begin(task);
    head_.admit(head_state_, task_, vit_.width());
    let_competitors_learn(head_state_.parameters(), competing());
    hook_.emplace(this->prompt.learning_hook(exec, this->state));
    trainer_.emplace(exec, vit_, read_rows());
    prompt_part_.emplace(optimizer_, "prompt", this->state.parameters());
    head_part_.emplace(optimizer_, "head", head_state_.parameters());
  }

  /// Forward and back; every picture is of the class that `columns` gives it, counted from the first of the task.
  /// @returns the loss of the head
  double pass(Tensor<float, 4> const& images, std::vector<Index> columns) {
    for (Index& column : columns) { column += task_.first_class; }
    Index const classes = task_.first_class + task_.classes;
    Matrix<float> features({images.extent(0), vit_.width()});
    Matrix<float> logits({images.extent(0), classes});
    if constexpr (AsksForQueries<Prompt>) {
      QuerySource queries(exec, vit_, this->prompt.first_block(this->state), 0);
      hook_->prepare(queries(images.cview(), {}), columns);
      trainer_->forward_behind(queries.tokens(), queries.first_block(), *hook_, features.view(), {});
    } else {
      trainer_->forward(images.cview(), *hook_, features.view(), {});
    }
    Matrix<float> d_features(features.shape());
    Matrix<float> d_logits(logits.shape());
    d_head_ = head_part_->values();
    std::fill(d_head_.values().begin(), d_head_.values().end(), 0.0F);
    head_.logits(exec, head_part_->values(), features.cview(), logits.view());
    double const loss = CrossEntropy{}(logits.cview(), columns, competing(), d_logits.view());
    head_.backward(exec, head_part_->values(), features.cview(), d_logits.cview(), d_features.view(), d_head_);
    if constexpr (AsksForQueries<Prompt>) { own_loss_ = hook_->own_loss(1.0); }
    trainer_->backward(d_features.cview(), *hook_);
    d_prompt_ = prompt_part_->values();
    hook_->collect(d_prompt_);
    return loss;
  }
  /// What the prompt itself added to the loss of the last pass.
  [[nodiscard]] double own_loss() const { return own_loss_; }
  /// Of the prompt, from the last pass.
  [[nodiscard]] ParameterStore<float> const& gradients() const { return d_prompt_; }
  /// How many numbers of the network have a gradient.
  [[nodiscard]] Index network_gradients() { return trainer_->gradients().size(); }

  void step(double rate) {
    ParameterGroup const group{.role = ""};
    prompt_part_->attach(std::as_const(d_prompt_).values());
    head_part_->attach(std::as_const(d_head_).values());
    for (auto* const part : {&*prompt_part_, &*head_part_}) { part->step(HostExecutor<>{}, std::span(&group, 1), ConstantRate{rate}, 0); }
    hook_->refresh(prompt_part_->values());
  }
  /// As they are in the middle of a task.
  [[nodiscard]] ParameterStore<float> const& values() const { return prompt_part_->values(); }

  void end_task() {
    this->state.parameters() = prompt_part_->take();
    head_state_.parameters() = head_part_->take();
    if constexpr (AsksForQueries<Prompt>) { hook_->finish(this->state); }
    this->end(task_.index);
  }

  /// Learns a task on pictures whose classes take turns.
  void learn(Index task, Tensor<float, 4> const& images, Index steps, double rate) {
    begin_task(task);
    std::vector<Index> columns;
    for (Index b = 0; b < images.extent(0); ++b) { columns.push_back(b % 2); }
    for (Index i = 0; i < steps; ++i) {
      pass(images, columns);
      step(rate);
    }
    end_task();
  }

  [[nodiscard]] Matrix<float> features(Tensor<float, 4> const& images) const { return Prompted(vit_, this->prompt, this->state).features(exec, images.cview()); }

 private:
  using Hook = decltype(std::declval<Prompt const&>().learning_hook(std::declval<HostExecutor<> const&>(), std::declval<typename Prompt::State const&>()));

  [[nodiscard]] ColumnRange competing() const { return {task_.first_class, task_.classes}; }
  [[nodiscard]] Index read_rows() const {
    if constexpr (AsksForQueries<Prompt>) {
      return this->prompt.read_rows(this->state);
    } else {
      return 0;
    }
  }

  Vit<> vit_;
  LinearHead head_;
  LinearHead::State head_state_;
  Optimizer optimizer_;
  TaskInfo task_;
  std::optional<Hook> hook_;
  std::optional<VitTrainer<HostExecutor<>>> trainer_;
  std::optional<LearningPart<Optimizer>> prompt_part_;
  std::optional<LearningPart<Optimizer>> head_part_;
  ParameterStore<float> d_prompt_;
  ParameterStore<float> d_head_;
  double own_loss_ = 0.0;
};

}  // namespace accrete::test
