#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/train/loss/columns.hpp>

#include <concepts>

namespace accrete {

/// A loss, or a term of one, that judges the features of a batch beside those that the same pictures have in the network as the task began: the teacher's.
///   loss.asks_for_features()   whether it does under its settings; where nobody asks, no teacher is run
///   loss.judge_beside(features [B, D], teacher [B, D], share, d_features [B, D])   adds `share` times the gradient and returns the whole value
template <class L>
concept JudgesBesideTeacher = requires(L const& loss, MatrixView<float const> features, MatrixView<float> d_features) {
  { loss.asks_for_features() } -> std::same_as<bool>;
  { loss.judge_beside(features, features, 1.0, d_features) } -> std::convertible_to<double>;
};

/// The same of the logits that the head as the task began makes of the teacher's features; of them only the columns of earlier classes mean anything.
///   loss.asks_for_logits()
///   loss.judge_logits_beside(logits [B, C], teacher [B, C], earlier columns, d_logits [B, C])   adds the gradient and returns the value
template <class L>
concept JudgesLogitsBesideTeacher = requires(L const& loss, MatrixView<float const> logits, ColumnRange earlier, MatrixView<float> d_logits) {
  { loss.asks_for_logits() } -> std::same_as<bool>;
  { loss.judge_logits_beside(logits, logits, earlier, d_logits) } -> std::convertible_to<double>;
};

/// A loss, or a term of one, that holds on to the parameters below the head that the task began with.
///   loss.holds()   whether it does under its settings
///   loss.hold(values [P], start [P], gradient [P])   adds the gradient and returns the value
template <class L>
concept HoldsParameters = requires(L const& loss, VectorView<float const> values, VectorView<float> gradient) {
  { loss.holds() } -> std::same_as<bool>;
  { loss.hold(values, values, gradient) } -> std::convertible_to<double>;
};

/// What can be put beside a loss.
template <class L>
concept LossTerm = JudgesBesideTeacher<L> || JudgesLogitsBesideTeacher<L> || HoldsParameters<L>;

}  // namespace accrete
