#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/gather_spans.hpp>
#include <accrete/train/loss/columns.hpp>
#include <accrete/train/term/concept.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace accrete {

/// Whether a loss has the logits of this task judged beside the teacher's: nothing was answered before the first task.
/// @param[in] earlier  columns of the classes known before the task
template <class Loss>
[[nodiscard]] bool asks_for_logits(Loss const& loss, ColumnRange earlier) {
  if constexpr (JudgesLogitsBesideTeacher<Loss>) {
    return earlier.count > 0 && loss.asks_for_logits();
  } else {
    return false;
  }
}

/// Whether a loss has a teacher look at the pictures of this task.
template <class Loss>
[[nodiscard]] bool asks_for_teacher(Loss const& loss, ColumnRange earlier) {
  bool asks = asks_for_logits(loss, earlier);
  if constexpr (JudgesBesideTeacher<Loss>) { asks = asks || loss.asks_for_features(); }
  return asks;
}

/// What the terms of a loss need of a stage beside the batch: what the task began with, by value. None of it is in a checkpoint, since an interrupted stage begins
/// with the same once more. A loss without terms keeps nothing and does nothing here.
/// @tparam Loss  any;  @tparam Head  LearnsByGradient
template <class Loss, class Head>
class StageTerms {
 public:
  /// @param loss, head  must outlive the object;  @param[in] parameters  of the head;  @param[in] below  the parts below it;  @param[in] earlier  columns of the classes known before
  template <class Parts>
  StageTerms(Loss const& loss, Head const& head, ParameterStore<float> const& parameters, Parts const& below, ColumnRange earlier) : loss_(loss), head_(head), earlier_(earlier) {
    if (asks_for_logits(loss, earlier)) { head_start_ = parameters; }
    if constexpr (HoldsParameters<Loss>) {
      if (!loss.holds()) { return; }
      for (auto const* const part : below) {
        start_.push_back(Vector<float>({span_elements(part->spans())}));
        gather_spans(part->values().values(), part->spans(), start_.back().view());
      }
    }
  }

  /// Lets the teacher look at the source's batch of `count` pictures.
  template <class Exec, class Source>
  void look(Exec const& exec, Source& source, Index count, Index classes) {
    if constexpr (JudgesBesideTeacher<Loss> || JudgesLogitsBesideTeacher<Loss>) {
      if (!asks_for_teacher(loss_, earlier_)) { return; }
      if (features_.extent(0) != count) {
        features_ = Matrix<float>({count, source.width()});
        logits_ = Matrix<float>({count, classes});
      }
      source.teach(features_.view());
      if (asks_for_logits(loss_, earlier_)) { head_.logits(exec, head_start_, features_.cview(), logits_.view()); }
    }
  }

  /// @param[in] logits [B, C];  @param[in,out] d_logits [B, C] the gradient is added
  /// @returns the value
  double judge_logits(MatrixView<float const> logits, MatrixView<float> d_logits) const {
    if constexpr (JudgesLogitsBesideTeacher<Loss>) {
      if (asks_for_logits(loss_, earlier_)) { return loss_.judge_logits_beside(logits, logits_.cview(), earlier_, d_logits); }
    }
    return 0.0;
  }

  /// @param[in] features [B, D];  @param[in,out] d_features [B, D] `share` times the gradient is added
  /// @returns the value
  double judge_features(MatrixView<float const> features, double share, MatrixView<float> d_features) const {
    if constexpr (JudgesBesideTeacher<Loss>) {
      if (loss_.asks_for_features()) { return loss_.judge_beside(features, features_.cview(), share, d_features); }
    }
    return 0.0;
  }

  /// Adds to the gradients of the parts that it was made with.
  /// @returns the value
  template <class Parts>
  double hold(Parts const& parts) const {
    double value = 0.0;
    if constexpr (HoldsParameters<Loss>) {
      for (std::size_t i = 0; i < start_.size(); ++i) {
        auto const values = std::as_const(parts[i]->values()).values();
        auto const gradient = parts[i]->changeable_gradient();
        Index first = 0;
        for (ParameterSpan const& span : parts[i]->spans()) {
          value += loss_.hold(values.slice(span.first, span.count), start_[i].cview().slice(first, span.count), gradient.slice(span.first, span.count));
          first += span.count;
        }
      }
    }
    return value;
  }

 private:
  Loss const& loss_;
  Head const& head_;
  ColumnRange earlier_;
  ParameterStore<float> head_start_;
  std::vector<Vector<float>> start_;  ///< of what learns, part by part
  Matrix<float> features_;            ///< [B, D] the teacher's
  Matrix<float> logits_;              ///< [B, C] of them
};

}  // namespace accrete
