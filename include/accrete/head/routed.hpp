#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/policy_name.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/aligned.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/head/self_refinement.hpp>

#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// One head over the features of several adapters, each of which answers for the classes of its own task, and a router that proposes an adapter:
///   z0 = cosines of f_0(x) and the class means under adapter 0;   a = task(argmax z0);   at most four times: z = head(f_a(x)), a = task(argmax z)
///   scores = softmax(z) + softmax(tasks z0)
/// Statistics of a class are those of its own task's adapter. Only adapters that a sample asks for are needed for it.
/// @tparam Head  an AlignedHead
/// @source Sun et al., "MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning", AAAI 2025, arXiv:2412.09441
template <class Head = AlignedHead<LinearHead>>
struct RoutedHead {
  [[nodiscard]] static std::string composition() { return "routed<" + policy_name<Head>() + ">"; }

  Head head;

  class State {
   public:
    [[nodiscard]] typename Head::State const& experts() const { return experts_; }
    [[nodiscard]] PrototypeHead::State const& router() const { return router_; }
    /// One for each task.
    [[nodiscard]] Index adapters() const { return adapters_; }

    [[nodiscard]] ParameterStore<float>& parameters() { return experts_.parameters(); }
    [[nodiscard]] ParameterStore<float> const& parameters() const { return experts_.parameters(); }
    [[nodiscard]] ParameterStore<float> const& scoring() const { return experts_.scoring(); }
    void align(ParameterStore<float> aligned) { experts_.align(std::move(aligned)); }

   private:
    friend struct RoutedHead;
    typename Head::State experts_;
    PrototypeHead::State router_;
    Index adapters_ = 0;
  };

  /// Adds the adapter and the rows of a task and lets only these learn.
  /// @param[in] width L of the features of one adapter
  /// @throws ShapeError, ValueError  as the head's `admit`; nothing is changed then
  void admit(State& state, TaskInfo const& task, Index width) const {
    head.admit(state.experts_, task, width);
    router.admit(state.router_, head.classes(state.experts_));
    state.adapters_ = task.index + 1;
  }
  [[nodiscard]] Index classes(State const& state) const { return head.classes(state.experts_); }
  /// [K, L] means of the classes that have samples, each under its own adapter.
  [[nodiscard]] Matrix<double> class_means(State const& state) const { return head.class_means(state.experts_); }

  template <class Exec, class T>
  void logits(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T>> logits) const {
    head.logits(exec, store, features, logits);
  }
  template <class Exec, class T>
  void backward(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T const>> d_logits, NonDeduced<MatrixView<T>> d_features,
                ParameterStore<T>& gradients) const {
    head.backward(exec, store, features, d_logits, d_features, gradients);
  }

  /// Adds labelled features: those of adapter 0 to the router, those of a class's own adapter to its moments.
  /// @param[in] features [n, adapters * L] host memory;  @param[in] columns [n] class of each
  /// @throws ShapeError, ValueError  as detail::check_labelled says; the state is unchanged then
  template <class Exec>
  void observe(Exec const& exec, State& state, MatrixView<float const> features, std::span<Index const> columns) const {
    Index const width = state.experts_.width();
    detail::check_labelled("RoutedHead::observe", features, columns, classes(state), width * state.adapters_);
    std::vector<Index> const all = numbers(features.extent(0));
    router.observe(exec, state.router_, parts(features, width, all, [](std::size_t) { return Index{0}; }).cview(), columns);
    auto const own = [&](std::size_t i) { return state.experts_.tasks()[static_cast<std::size_t>(columns[i])]; };
    head.observe(exec, state.experts_, parts(features, width, all, own).cview(), columns);
  }

  /// Class means of the router, then the head's own `fit`.
  template <class Exec>
  void fit(Exec const& exec, State& state) const {
    router.fit(exec, state.router_);
    head.fit(exec, state.experts_);
  }

  /// @param[in] features [B, adapters * L], host memory;  @param[out] scores [B, C], host memory
  /// @throws ValueError  without a class;  ShapeError when the extents do not fit
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    Index const width = state.experts_.width();
    detail::check_scored("RoutedHead::scores", features, scores, classes(state), width * state.adapters_);
    auto const ask = [&](Index adapter, std::span<Index const> rows) { return parts(features, width, rows, [adapter](std::size_t) { return adapter; }); };
    scores_of_asked(exec, state, ask, scores);
  }

  /// The same where features are computed when they are asked for, so that an adapter nobody asks for never runs.
  /// @param[in]  ask     ask(adapter, rows) -> Matrix<float> [rows, L], the features of the samples `rows`, ascending in [0, B), under that adapter; adapter 0 is asked for all, first
  /// @param[out] scores  [B, C], host memory
  /// @throws ValueError  without a class;  ShapeError when the extents do not fit
  template <class Exec, class Ask>
  void scores_of_asked(Exec const& exec, State const& state, Ask const& ask, MatrixView<float> scores) const {
    std::vector<Index> const& tasks = state.experts_.tasks();
    Matrix<float> const first = ask(Index{0}, numbers(scores.extent(0)));
    Matrix<float> routed(scores.shape());
    router.scores(exec, state.router_, first.cview(), routed.view());

    Matrix<float> refined(scores.shape());
    std::vector<Index> const proposed = best_tasks(routed.cview(), tasks);
    static_cast<void>(refine_adapters(proposed, [&](Index adapter, std::span<Index const> rows, std::span<Index> answers) {
      Matrix<float> const features = adapter == 0 ? parts(first.cview(), first.extent(1), rows, [](std::size_t) { return Index{0}; }) : ask(adapter, rows);
      Matrix<float> z({static_cast<Index>(rows.size()), scores.extent(1)});
      head.scores(exec, state.experts_, features.cview(), z.view());
      std::vector<Index> const answered = best_tasks(z.cview(), tasks);
      std::copy(answered.begin(), answered.end(), answers.begin());
      for (std::size_t i = 0; i < rows.size(); ++i) { std::copy(z.view()[static_cast<Index>(i)].begin(), z.view()[static_cast<Index>(i)].end(), refined.view()[rows[i]].begin()); }
    }));
    ensemble_scores(refined.cview(), routed.cview(), state.adapters_, scores);
  }

  template <class Writer>
  void write(State const& state, Writer& writer) const {
    writer.setting("adapters", state.adapters_);
    auto experts = writer.scope("experts");
    head.write(state.experts_, experts);
    auto routes = writer.scope("router");
    router.write(state.router_, routes);
  }
  /// @throws FileError  when something is missing or does not fit; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    fresh.adapters_ = reader.template setting<Index>("adapters");
    head.read(fresh.experts_, reader.scope("experts"));
    router.read(fresh.router_, reader.scope("router"));
    auto const& tasks = fresh.experts_.tasks();
    if (fresh.router_.classes() != classes(fresh) || (!tasks.empty() && tasks.back() >= fresh.adapters_)) {
      fail<FileError>(reader.path().string(), "holds rows of ", classes(fresh), " classes, a router of ", fresh.router_.classes(), " and ", fresh.adapters_, " adapters");
    }
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<RoutedHead>> settings() { return part_settings(&RoutedHead::head); }

 private:
  static constexpr PrototypeHead router{};

  static std::vector<Index> numbers(Index count) {
    std::vector<Index> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), Index{0});
    return all;
  }

  /// [rows, width] of the i-th row, the part that belongs to adapter `of(i)`.
  template <class Of>
  static Matrix<float> parts(MatrixView<float const> features, Index width, std::span<Index const> rows, Of const& of) {
    Matrix<float> chosen({static_cast<Index>(rows.size()), width});
    for (std::size_t i = 0; i < rows.size(); ++i) { std::copy_n(features.data() + rows[i] * features.extent(1) + of(i) * width, width, chosen.data() + static_cast<Index>(i) * width); }
    return chosen;
  }

  /// The task that the best class of each row came with.
  static std::vector<Index> best_tasks(MatrixView<float const> scores, std::vector<Index> const& tasks) {
    std::vector<Index> best;
    for (Index i = 0; i < scores.extent(0); ++i) {
      auto const row = scores[i];
      best.push_back(tasks[static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin())]);
    }
    return best;
  }
};
static_assert(LearnsByGradient<RoutedHead<>> && LearnsFromFeatures<RoutedHead<>>);

}  // namespace accrete
