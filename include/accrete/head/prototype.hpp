#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/exact_sums.hpp>
#include <accrete/head/host_product.hpp>
#include <accrete/head/packed_cache.hpp>
#include <accrete/head/unit_rows.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// How a feature is compared with a class mean.
///   cosine     <f, p> / (|f| |p|), a zero vector scores 0
///   euclidean  -|f - p|^2
enum class PrototypeMetric { cosine, euclidean };

/// Nearest class mean: p_c = (sum of the features of class c) / (their number).
/// Statistics are sums and counts, exact whatever the order: shards merged in any way and one run give the same bits.
/// @source Zhou et al., "Revisiting Class-Incremental Learning with Pre-Trained Models", IJCV 2024, arXiv:2303.07338, the SimpleCIL classifier
struct PrototypeHead {
  static constexpr std::string_view name = "prototype";
  static constexpr StatisticsTraits statistics{.additive = true, .mergeable = true, .forgettable = true, .forgets_by_features = false};

  PrototypeMetric metric = PrototypeMetric::cosine;

  class State {
   public:
    [[nodiscard]] Index classes() const { return static_cast<Index>(counts_.size()); }
    /// Samples of each class.
    [[nodiscard]] std::vector<Index> const& counts() const { return counts_; }
    /// [C, L] sums of the features of each class.
    [[nodiscard]] ExactSums const& sums() const { return sums_; }
    /// [C, L] class means as of the last `fit`; zero for a class without a sample.
    [[nodiscard]] Matrix<float> const& prototypes() const { return prototypes_; }

   private:
    friend struct PrototypeHead;
    Index width_ = 0;  // 0 before the first feature
    std::vector<Index> counts_;
    ExactSums sums_;
    Matrix<float> prototypes_;
    PackedCache packed_;
  };

  /// Makes room for `classes` classes; fewer than there are changes nothing.
  void admit(State& state, Index classes) const {
    if (classes <= state.classes()) { return; }
    std::vector<Index> rows(static_cast<std::size_t>(classes), -1);
    for (Index c = 0; c < state.classes(); ++c) { rows[static_cast<std::size_t>(c)] = c; }
    state.sums_.arrange(rows, state.width_);
    state.counts_.resize(static_cast<std::size_t>(classes), 0);
  }
  [[nodiscard]] Index classes(State const& state) const { return state.classes(); }

  /// Adds labelled features. @param[in] features [n, L] host memory;  @param[in] columns [n] class of each
  /// @throws ShapeError, ValueError  as detail::check_labelled says; the state is unchanged then.   Cost: n * L additions
  template <class Exec>
  void observe(Exec const& /*exec*/, State& state, MatrixView<float const> features, std::span<Index const> columns) const {
    detail::check_labelled("PrototypeHead::observe", features, columns, state.classes(), state.width_);
    set_width(state, features.extent(1));
    for (std::size_t i = 0; i < columns.size(); ++i) {
      state.sums_.add(columns[i], features.data() + static_cast<Index>(i) * state.width_);
      ++state.counts_[static_cast<std::size_t>(columns[i])];
    }
  }

  /// Class means from sums. A class's mean depends on its own samples alone, bit for bit.   Cost: C * L
  template <class Exec>
  void fit(Exec const& /*exec*/, State& state) const {
    compute_means(state);
  }

  /// @param[in] features [B, L], host memory;  @param[out] scores [B, C], host memory
  /// @throws ValueError before the first `fit`;  ShapeError when the extents do not fit.   Cost: 2 * B * C * L flop
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    if (state.prototypes_.extent(0) != state.classes()) { fail<ValueError>("PrototypeHead::scores", "classes were admitted that no fit has seen"); }
    detail::check_scored("PrototypeHead::scores", features, scores, state.classes(), state.width_);
    auto const packed = state.packed_.get(exec, static_cast<Index>(metric), [&](Exec const& in_float32) { return pack(in_float32, state); });
    host_product(exec, features, packed, {}, scores);
    for (Index b = 0; b < features.extent(0); ++b) { finish_row(features.data() + b * state.width_, state.width_, scores.data() + b * state.classes(), state.classes()); }
  }

  /// Adds what another state has seen; needs a `fit` afterwards.
  /// @param[in] columns [other's C] which class of `state` each class of `other` is; they must be admitted
  /// @throws ShapeError  when columns or widths do not fit; `state` is unchanged then
  void merge(State& state, State const& other, std::span<Index const> columns) const {
    detail::check_merge("PrototypeHead::merge", columns, other.classes(), state.classes());
    if (other.width_ == 0) { return; }
    expects(state.width_ == 0 || state.width_ == other.width_, "PrototypeHead::merge", "both must have features of one width", state.width_, other.width_);
    set_width(state, other.width_);
    for (Index j = 0; j < other.classes(); ++j) {
      Index const column = columns[static_cast<std::size_t>(j)];
      state.sums_.add(column, other.sums_, j);
      state.counts_[static_cast<std::size_t>(column)] += other.counts_[static_cast<std::size_t>(j)];
    }
  }

  /// Drops a class; the columns behind it move up by one. Its features are not needed. Needs a `fit` afterwards.
  /// @throws ShapeError  for a column without a class
  template <class Exec>
  void forget(Exec const& /*exec*/, State& state, Index column, MatrixView<float const> /*features*/) const {
    expects(column >= 0 && column < state.classes(), "PrototypeHead::forget", "the column must be that of a class", column, state.classes());
    std::vector<Index> rows;
    for (Index c = 0; c < state.classes(); ++c) {
      if (c != column) { rows.push_back(c); }
    }
    state.sums_.arrange(rows, state.width_);
    state.counts_.erase(state.counts_.begin() + column);
    if (state.counts_.empty()) { state = State(); }
  }

  /// Tensors `counts` [C], `sums` and `sums_low` [C, L].
  template <class Writer>
  void write(State const& state, Writer& writer) const {
    Vector<Index> counts({state.classes()});
    std::copy(state.counts_.begin(), state.counts_.end(), counts.begin());
    writer.setting("width", state.width_);
    writer.tensor("counts", std::move(counts));
    writer.tensor("sums", state.sums_.high());
    writer.tensor("sums_low", state.sums_.low());
  }

  /// @throws FileError  when something is missing or of another shape; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    auto const counts = reader.template tensor<Index, 1>("counts");
    fresh.counts_.assign(counts.begin(), counts.end());
    fresh.width_ = reader.template setting<Index>("width");
    Shape<2> const shape{fresh.classes(), fresh.width_};
    fresh.sums_ = ExactSums(reader.template tensor<double, 2>("sums", shape), reader.template tensor<double, 2>("sums_low", shape));
    detail::check_counts(reader.path().string(), fresh.counts_);
    compute_means(fresh);
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<PrototypeHead>> settings() {
    return {choice_setting("metric", "how a feature is compared with a class mean", &PrototypeHead::metric,
                           std::vector<std::pair<std::string, PrototypeMetric>>{{"cosine", PrototypeMetric::cosine}, {"euclidean", PrototypeMetric::euclidean}})};
  }

 private:
  static void compute_means(State& state) {
    Matrix<float> means = Matrix<float>::zeros({state.classes(), state.width_});
    for (Index c = 0; c < state.classes(); ++c) {
      auto const count = static_cast<double>(state.counts_[static_cast<std::size_t>(c)]);
      for (Index j = 0; j < state.width_ && count > 0; ++j) { means(c, j) = static_cast<float>(state.sums_(c, j) / count); }
    }
    state.prototypes_ = std::move(means);
    state.packed_.clear();
  }

  static void set_width(State& state, Index width) {
    if (state.width_ == width) { return; }
    state.width_ = width;
    state.sums_ = ExactSums({state.classes(), width});
  }

  /// Cosine: unit rows. Euclidean: |f - p|^2 = |f|^2 - 2 (<f, p> - |p|^2 / 2), so half the squared length becomes the bias.
  template <class Exec>
  [[nodiscard]] typename Exec::PackedWeights pack(Exec const& exec, State const& state) const {
    Matrix<float> weights = state.prototypes_;
    Vector<float> bias({metric == PrototypeMetric::euclidean ? state.classes() : 0});
    for (Index c = 0; c < state.classes(); ++c) {
      float* const row = weights.data() + c * state.width_;
      double const length = std::sqrt(detail::squared_length(row, state.width_));
      if (metric == PrototypeMetric::euclidean) {
        bias(c) = static_cast<float>(-0.5 * length * length);
      } else {
        std::transform(row, row + state.width_, row, [&](float p) { return static_cast<float>(static_cast<double>(p) / std::max(length, least_length)); });
      }
    }
    return kernels::pack(exec, weights.cview(), bias.cview());
  }

  void finish_row(float const* feature, Index width, float* scores, Index classes) const {
    double const squared = detail::squared_length(feature, width);
    double const length = std::max(std::sqrt(squared), least_length);
    std::transform(scores, scores + classes, scores, [&](float score) {
      auto const z = static_cast<double>(score);
      return static_cast<float>(metric == PrototypeMetric::cosine ? z / length : 2.0 * z - squared);
    });
  }
};

static_assert(ClassifierHead<PrototypeHead> && MergesStatistics<PrototypeHead> && ForgetsClasses<PrototypeHead>);

}  // namespace accrete
