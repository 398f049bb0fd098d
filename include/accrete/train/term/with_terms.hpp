#pragma once

#include <accrete/core/policy_name.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/loss/columns.hpp>
#include <accrete/train/loss/concept.hpp>
#include <accrete/train/term/concept.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace accrete {

/// A loss and terms beside it, as the loss of a protocol:
///   GradientProtocol<Trains::every_task, Competing::seen, OwnHead, WithTerms<CrossEntropy, LogitDistillation, Anchor>>
/// @tparam LossType  a loss without terms;  @tparam Terms  LossTerm, each kind once
template <class LossType, class... Terms>
struct WithTerms {
  static_assert((LossTerm<Terms> && ...), "a term judges beside a teacher or holds parameters (train/term/concept.hpp)");
  static_assert(!LossTerm<LossType>, "all terms of a loss stand in one WithTerms");

  LossType loss;
  std::tuple<Terms...> terms;

  template <class Term>
  [[nodiscard]] Term& term() {
    return std::get<Term>(terms);
  }
  template <class Term>
  [[nodiscard]] Term const& term() const {
    return std::get<Term>(terms);
  }

  /// The loss alone;  arguments, result and errors as its own
  template <class T>
  double operator()(NonDeduced<MatrixView<T const>> logits, std::span<Index const> labels, ColumnRange columns, MatrixView<T> d_logits) const {
    return loss(logits, labels, columns, d_logits);
  }

  /// What the loss itself makes of the features.
  template <class Exec>
  double judge(Exec const& exec, MatrixView<double const> means, MatrixView<float const> features, double weight, MatrixView<float> d_features) const requires JudgesFeatures<LossType> {
    return loss.judge(exec, means, features, weight, d_features);
  }

  [[nodiscard]] bool asks_for_features() const requires(JudgesBesideTeacher<Terms> || ...) {
    bool asks = false;
    for_each([&]<class Term>(Term const& term) {
      if constexpr (JudgesBesideTeacher<Term>) { asks = asks || term.asks_for_features(); }
    });
    return asks;
  }
  /// The sum over the terms that ask;  arguments and errors as theirs
  template <class T>
  double judge_beside(NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T const>> teacher, double share, MatrixView<T> d_features) const requires(JudgesBesideTeacher<Terms> || ...) {
    double value = 0.0;
    for_each([&]<class Term>(Term const& term) {
      if constexpr (JudgesBesideTeacher<Term>) { value += term.asks_for_features() ? term.judge_beside(features, teacher, share, d_features) : 0.0; }
    });
    return value;
  }

  [[nodiscard]] bool asks_for_logits() const requires(JudgesLogitsBesideTeacher<Terms> || ...) {
    bool asks = false;
    for_each([&]<class Term>(Term const& term) {
      if constexpr (JudgesLogitsBesideTeacher<Term>) { asks = asks || term.asks_for_logits(); }
    });
    return asks;
  }
  /// The sum over the terms that ask;  arguments and errors as theirs
  template <class T>
  double judge_logits_beside(NonDeduced<MatrixView<T const>> logits, NonDeduced<MatrixView<T const>> teacher, ColumnRange earlier, MatrixView<T> d_logits) const
      requires(JudgesLogitsBesideTeacher<Terms> || ...) {
    double value = 0.0;
    for_each([&]<class Term>(Term const& term) {
      if constexpr (JudgesLogitsBesideTeacher<Term>) { value += term.asks_for_logits() ? term.judge_logits_beside(logits, teacher, earlier, d_logits) : 0.0; }
    });
    return value;
  }

  [[nodiscard]] bool holds() const requires(HoldsParameters<Terms> || ...) {
    bool holds = false;
    for_each([&]<class Term>(Term const& term) {
      if constexpr (HoldsParameters<Term>) { holds = holds || term.holds(); }
    });
    return holds;
  }
  /// The sum over the terms that hold;  arguments and errors as theirs
  template <class T>
  double hold(NonDeduced<VectorView<T const>> values, NonDeduced<VectorView<T const>> start, VectorView<T> gradient) const requires(HoldsParameters<Terms> || ...) {
    double value = 0.0;
    for_each([&]<class Term>(Term const& term) {
      if constexpr (HoldsParameters<Term>) { value += term.holds() ? term.hold(values, start, gradient) : 0.0; }
    });
    return value;
  }

  [[nodiscard]] static std::string composition() {
    std::string text = "with-terms<" + policy_name<LossType>();
    ((text += ", " + policy_name<Terms>()), ...);
    return text + ">";
  }

  [[nodiscard]] static std::vector<Setting<WithTerms>> settings() {
    auto all = part_settings(&WithTerms::loss, settings_of(LossType{}));
    WithTerms const whole{};
    whole.for_each([&](auto const& term) {
      auto const offset = reinterpret_cast<std::byte const*>(&term) - reinterpret_cast<std::byte const*>(&whole);
      for (auto const& setting : settings_of(term)) { all.push_back({setting.name, setting.meaning, setting.value, offset + setting.offset}); }
    });
    return all;
  }

 private:
  template <class Use>
  void for_each(Use const& use) const {
    std::apply([&](auto const&... term) { (use(term), ...); }, terms);
  }
};

}  // namespace accrete
