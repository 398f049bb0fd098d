#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/clip.hpp>
#include <accrete/train/gather_spans.hpp>
#include <accrete/train/groups.hpp>
#include <accrete/train/kept_moments.hpp>
#include <accrete/train/optimizer.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// Parameters that one optimiser moves, with its moments and their gradient: those of the backbone, of the prompt, or of the head.
template <class Optimizer>
class LearningPart {
 public:
  /// @param[in] name  scope of this part in a checkpoint;  @param[in] values  may be empty: then nothing is to be moved
  LearningPart(Optimizer const& optimizer, std::string name, ParameterStore<float> values)
      : optimizer_(optimizer), name_(std::move(name)), values_(std::move(values)), state_(optimizer_.start(values_)), spans_(values_.trainable()) {
    updates_.reserve(spans_.size());
  }

  [[nodiscard]] ParameterStore<float> const& values() const { return values_; }
  /// Hands the values over; the part is empty then.
  [[nodiscard]] ParameterStore<float> take() { return std::exchange(values_, {}); }
  /// What learns, in the order of the buffer.
  [[nodiscard]] std::span<ParameterSpan const> spans() const { return spans_; }

  /// Says where the gradient lies.
  /// @param[in] gradient [P] of the layout of the values; must live until the step
  void attach(VectorView<float const> gradient) {
    expects(gradient.size() == values_.values().size(), "LearningPart::attach", "the gradient must be as long as the store", gradient.size(), values_.values().size());
    gradient_ = gradient;
  }
  [[nodiscard]] VectorView<float const> gradient() const { return gradient_; }
  /// A copy of the gradient that may be changed and stands in its place until the next `attach`.
  [[nodiscard]] VectorView<float> changeable_gradient() {
    if (changed_.size() != gradient_.size()) { changed_ = Vector<float>(gradient_.shape()); }
    if (gradient_.data() != changed_.data()) { std::copy(gradient_.begin(), gradient_.end(), changed_.begin()); }
    gradient_ = changed_.cview();
    return changed_.view();
  }

  /// One step against the gradient.
  template <class Exec, class Schedule>
  void step(Exec const& exec, std::span<ParameterGroup const> groups, Schedule const& schedule, Index epoch) {
    if (spans_.empty()) { return; }
    plan_step(values_, groups, schedule, epoch, spans_, updates_);
    optimizer_.step(exec, state_, values_, gradient_, updates_);
  }

  /// Lets `change` move what learns, side by side in one vector.
  template <class Change>
  void change(Change const& change) {
    if (flat_.size() != span_elements(spans_)) { flat_ = Vector<float>({span_elements(spans_)}); }
    gather_spans(std::as_const(values_).values(), spans_, flat_.view());
    change(flat_.view());
    scatter_spans(flat_.cview(), spans_, values_.values());
  }

  /// Goes on with the moments of an earlier stage.
  void go_on(KeptMoments const& earlier) { state_ = earlier.of(name_, values_, optimizer_.moment_count()); }
  /// Leaves the moments for a later one.
  void leave(KeptMoments& later) const { later.keep(name_, values_, state_); }

  template <class Writer>
  void write(Writer const& writer) const {
    values_.write(writer.scope(name_));
    state_.write(writer.scope("optimizer." + name_));
  }
  /// @throws FileError, ValueError, ShapeError  when what is there is not of this part; it is unchanged then
  template <class Reader>
  void read(Reader const& reader) {
    auto values = ParameterStore<float>::read(reader.scope(name_));
    expects(values.segments() == values_.segments(), "LearningPart::read", "the segments must be those of the part", values.size(), values_.size());
    state_ = read_optimizer(optimizer_, reader.scope("optimizer." + name_), values);
    std::copy(values.values().begin(), values.values().end(), values_.values().begin());
  }

 private:
  Optimizer optimizer_;
  std::string name_;
  ParameterStore<float> values_;
  VectorView<float const> gradient_;
  Vector<float> changed_;
  Vector<float> flat_;
  typename Optimizer::template State<float> state_;
  std::vector<ParameterSpan> spans_;
  std::vector<ParameterUpdate> updates_;
};

/// The parts of a stage, which step together.
template <class Optimizer>
using LearningParts = std::vector<LearningPart<Optimizer>*>;

/// Number of parameters that learn.
template <class Optimizer>
[[nodiscard]] Index learning_parameters(LearningParts<Optimizer> const& parts) {
  Index count = 0;
  for (auto const* const part : parts) { count += span_elements(part->spans()); }
  return count;
}

/// Shortens the gradients of all parts together, as `clip_gradient` does those of one.
/// @throws ValueError  when their norm is not finite
template <class Optimizer>
void clip_together(LearningParts<Optimizer> const& parts, double most) {
  double squared = 0.0;
  for (auto const* const part : parts) {
    double const norm = gradient_norm(part->gradient(), part->spans());
    squared += norm * norm;
  }
  double const norm = std::sqrt(squared);
  if (!std::isfinite(norm)) { fail<ValueError>("clip_together", "the norm of the gradient is not finite (came: ", norm, ")"); }
  auto const factor = static_cast<float>(std::min(1.0, most / (norm + 1e-6)));
  if (factor == 1.0F) { return; }
  for (auto* const part : parts) {
    auto const gradient = part->changeable_gradient();
    for (ParameterSpan const& span : part->spans()) {
      for (float& g : gradient.slice(span.first, span.count)) { g *= factor; }
    }
  }
}

/// The gradients of what learns, one part behind the other.
/// @param[out] flat [learning_parameters(parts)]
template <class Optimizer>
void gather_gradient(LearningParts<Optimizer> const& parts, VectorView<float> flat) {
  Index first = 0;
  for (auto const* const part : parts) {
    Index const count = span_elements(part->spans());
    gather_spans(part->gradient(), part->spans(), flat.slice(first, count));
    first += count;
  }
}

/// The way back of `gather_gradient`.
template <class Optimizer>
void scatter_gradient(VectorView<float const> flat, LearningParts<Optimizer> const& parts) {
  Index first = 0;
  for (auto* const part : parts) {
    Index const count = span_elements(part->spans());
    scatter_spans(flat.slice(first, count), part->spans(), part->changeable_gradient());
    first += count;
  }
}

}  // namespace accrete
