#pragma once

#include <accrete/core/hash.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/task.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/host_product.hpp>
#include <accrete/head/subspace_state.hpp>
#include <accrete/head/unit_rows.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Nearest class mean in a subspace for each task. A class of task i has real prototypes in the blocks of the subspaces j <= i and, if there is one, of the
/// pre-trained features. Those of later subspaces are put together from the classes that came with j or later, by how alike they are where both are real:
///   s_n = cos(P[c, i], P[n, i]),  w = softmax over n of s,  P[c, j] = sum_n w_n P[n, j]
/// Scores compare block by block, a class's own subspace in full and the t others with a share of alpha:
///   z_c = cos(f_i, P[c, i]) + alpha / t sum over j != i of cos(f_j, P[c, j]) [+ beta cos(f_pre, P[c, pre])]
/// Sums are exact, so real prototypes never change by a bit; synthetic ones change with every task.
/// @source Zhou et al., "Expandable Subspace Ensemble for Pre-Trained Model-Based Class-Incremental Learning", CVPR 2024, arXiv:2403.12030
struct SubspaceHead {
  static constexpr std::string_view name = "subspace";
  static constexpr StatisticsTraits statistics{.additive = true, .mergeable = true, .forgettable = true, .forgets_by_features = false};

  double alpha = 0.1;       ///< weight of all other subspaces together
  bool pretrained = false;  ///< whether features begin with a block of the untuned backbone
  double beta = 1.0;        ///< weight of that block

  using State = SubspaceState;

  /// Adds the subspace of a task and its classes; features have one block more from now on.
  /// @param[in] width L of one block
  /// @throws ShapeError  for another width, columns that do not follow the known ones, or a task that is not the next one; nothing is changed then
  void admit(State& state, TaskInfo const& task, Index width) const {
    expects(width > 0 && (state.width_ == 0 || width == state.width_), "SubspaceHead::admit", "the blocks must keep their width", width, state.width_);
    expects(task.index == state.subspaces_ && task.classes >= 0 && task.first_class == state.classes(), "SubspaceHead::admit", "a task must be the next one and its columns must follow the known ones",
            task.index, state.subspaces_, task.first_class, state.classes());
    Index const classes = state.classes() + task.classes;
    std::vector<Index> rows(static_cast<std::size_t>(classes), -1);
    for (Index c = 0; c < state.classes(); ++c) { rows[static_cast<std::size_t>(c)] = c; }
    for (ExactSums& sums : state.sums_) { sums.arrange(rows, width); }
    Index const blocks = task.index + 1 + leading();
    while (state.blocks() < blocks) { state.sums_.emplace_back(Shape<2>{classes, width}); }
    state.width_ = width;
    state.subspaces_ = task.index + 1;
    state.tasks_.resize(static_cast<std::size_t>(classes), task.index);
    state.counts_.resize(static_cast<std::size_t>(classes), 0);
  }
  [[nodiscard]] Index classes(State const& state) const { return state.classes(); }
  /// Width of the features now: all blocks side by side.
  [[nodiscard]] Index feature_width(State const& state) const { return state.blocks() * state.width_; }

  /// Adds labelled features. Of a class of task i only the blocks up to subspace i count, whenever its samples come.
  /// @param[in] features [n, blocks * L] host memory;  @param[in] columns [n] class of each
  /// @throws ShapeError, ValueError  as detail::check_labelled says; the state is unchanged then.   Cost: n * blocks * L additions
  template <class Exec>
  void observe(Exec const& /*exec*/, State& state, MatrixView<float const> features, std::span<Index const> columns) const {
    detail::check_labelled("SubspaceHead::observe", features, columns, state.classes(), feature_width(state));
    for (std::size_t i = 0; i < columns.size(); ++i) {
      float const* const row = features.data() + static_cast<Index>(i) * features.extent(1);
      Index const real = state.tasks_[static_cast<std::size_t>(columns[i])] + 1 + leading();
      for (Index b = 0; b < real; ++b) { state.sums_[static_cast<std::size_t>(b)].add(columns[i], row + b * state.width_); }
      ++state.counts_[static_cast<std::size_t>(columns[i])];
    }
  }

  /// Real prototypes from sums, then all synthetic ones.   Cost: 4 * C^2 * tasks * L flop
  template <class Exec>
  void fit(Exec const& exec, State& state) const {
    Index const width = state.width_;
    auto prototypes = Matrix<double>::zeros({state.classes(), feature_width(state)});
    for (Index c = 0; c < state.classes(); ++c) {
      auto const count = static_cast<double>(state.counts_[static_cast<std::size_t>(c)]);
      Index const real = state.tasks_[static_cast<std::size_t>(c)] + 1 + leading();
      for (Index b = 0; b < real && count > 0.0; ++b) {
        for (Index j = 0; j < width; ++j) { prototypes(c, b * width + j) = state.sums_[static_cast<std::size_t>(b)](c, j) / count; }
      }
    }
    // Only real blocks are read, so the order of completion does not matter.
    for (Index old = 0; old + 1 < state.subspaces_; ++old) {
      for (Index later = old + 1; later < state.subspaces_; ++later) { complete(exec, state, old, later, prototypes); }
    }
    state.prototypes_ = std::move(prototypes);
    state.packed_.clear();
  }

  /// @param[in] features [B, blocks * L], host memory;  @param[out] scores [B, C], host memory
  /// @throws ValueError before the first `fit` of all classes and subspaces;  ShapeError when the extents do not fit.   Cost: 2 * B * C * blocks * L flop
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    if (state.prototypes_.shape() != Shape<2>{state.classes(), feature_width(state)}) { fail<ValueError>("SubspaceHead::scores", "classes or subspaces were admitted that no fit has seen"); }
    detail::check_scored("SubspaceHead::scores", features, scores, state.classes(), feature_width(state));
    std::array<double, 2> const weights{alpha, beta};
    auto const slot = static_cast<Index>(hash64(std::as_bytes(std::span(weights))));
    auto const packed = state.packed_.get(exec, slot, [&](Exec const& in_float32) { return kernels::pack(in_float32, weighted(state).cview(), {}); });
    // Every block of every row is a unit vector, so that one product gives the weighted sum of cosines.
    Matrix<float> units(features.shape());
    UnitRows const blocks(features.reshaped<2>({features.extent(0) * state.blocks(), state.width_}));
    std::transform(blocks.rows.begin(), blocks.rows.end(), units.begin(), [](double x) { return static_cast<float>(x); });
    host_product(exec, units.cview(), packed, {}, scores);
  }

  /// Adds what another state of the same tasks has seen, such as another shard; needs a `fit` afterwards.
  /// @param[in] columns [other's C] which class of `state` each class of `other` is; they must be admitted
  /// @throws ShapeError  when columns, widths, subspaces or the tasks of a class do not fit; `state` is unchanged then
  void merge(State& state, State const& other, std::span<Index const> columns) const {
    detail::check_merge("SubspaceHead::merge", columns, other.classes(), state.classes());
    expects(state.width_ == other.width_ && state.subspaces_ == other.subspaces_ && state.blocks() == other.blocks(), "SubspaceHead::merge", "both must have the same subspaces", state.width_,
            other.width_, state.subspaces_, other.subspaces_);
    for (std::size_t j = 0; j < columns.size(); ++j) {
      Index const own = state.tasks_[static_cast<std::size_t>(columns[j])];
      expects(own == other.tasks_[j], "SubspaceHead::merge", "a class must have come with the same task in both", columns[j], own, other.tasks_[j]);
    }
    for (std::size_t j = 0; j < columns.size(); ++j) {
      for (std::size_t b = 0; b < state.sums_.size(); ++b) { state.sums_[b].add(columns[j], other.sums_[b], static_cast<Index>(j)); }
      state.counts_[static_cast<std::size_t>(columns[j])] += other.counts_[j];
    }
  }

  /// Drops a class; the columns behind it move up by one, the subspaces stay. Its features are not needed. Needs a `fit` afterwards.
  /// @throws ShapeError  for a column without a class
  template <class Exec>
  void forget(Exec const& /*exec*/, State& state, Index column, MatrixView<float const> /*features*/) const {
    expects(column >= 0 && column < state.classes(), "SubspaceHead::forget", "the column must be that of a class", column, state.classes());
    std::vector<Index> rows;
    for (Index c = 0; c < state.classes(); ++c) {
      if (c != column) { rows.push_back(c); }
    }
    for (ExactSums& sums : state.sums_) { sums.arrange(rows, state.width_); }
    state.counts_.erase(state.counts_.begin() + column);
    state.tasks_.erase(state.tasks_.begin() + column);
  }

  /// Settings `width`, `subspaces`, `tasks`, `counts`; tensors `sums.b` and `sums_low.b` [C, L] for each block b, and `prototypes`.
  template <class Writer>
  void write(State const& state, Writer& writer) const {
    writer.setting("width", state.width_);
    writer.setting("subspaces", state.subspaces_);
    writer.setting("blocks", state.blocks());
    writer.setting("tasks", state.tasks_);
    writer.setting("counts", state.counts_);
    for (std::size_t b = 0; b < state.sums_.size(); ++b) {
      writer.tensor(message("sums.", b), state.sums_[b].high());
      writer.tensor(message("sums_low.", b), state.sums_[b].low());
    }
    writer.tensor("prototypes", state.prototypes_);
  }

  /// @throws FileError  when something is missing or of another shape; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    auto const file = reader.path().string();
    State fresh;
    fresh.width_ = reader.template setting<Index>("width");
    fresh.subspaces_ = reader.template setting<Index>("subspaces");
    fresh.tasks_ = reader.template setting<std::vector<Index>>("tasks");
    fresh.counts_ = reader.template setting<std::vector<Index>>("counts");
    detail::check_counts(file, fresh.counts_);
    auto const blocks = reader.template setting<Index>("blocks");
    bool const known = std::all_of(fresh.tasks_.begin(), fresh.tasks_.end(), [&](Index task) { return task >= 0 && task < fresh.subspaces_; });
    if (fresh.width_ < 0 || !known || fresh.counts_.size() != fresh.tasks_.size() || (fresh.subspaces_ > 0 && blocks != fresh.subspaces_ + leading())) {
      fail<FileError>(file, "holds ", fresh.subspaces_, " subspaces and ", blocks, " blocks for ", fresh.tasks_.size(), " classes, which do not fit together or to the setting `pretrained`");
    }
    Shape<2> const shape{fresh.classes(), fresh.width_};
    for (Index b = 0; b < blocks; ++b) { fresh.sums_.emplace_back(reader.template tensor<double, 2>(message("sums.", b), shape), reader.template tensor<double, 2>(message("sums_low.", b), shape)); }
    fresh.prototypes_ = reader.template tensor<double, 2>("prototypes");
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<SubspaceHead>> settings() {
    return {
        number_setting("alpha", "weight of the other subspaces together", &SubspaceHead::alpha, 0.0, 1e6),
        choice_setting("pretrained", "whether features begin with a block of the untuned backbone", &SubspaceHead::pretrained, std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}}),
        number_setting("beta", "weight of the block of the untuned backbone", &SubspaceHead::beta, 0.0, 1e6)};
  }

 private:
  [[nodiscard]] Index leading() const { return pretrained ? 1 : 0; }

  /// Columns of a block of some classes' prototypes.
  static Matrix<double> block_of(Matrix<double> const& prototypes, std::vector<Index> const& classes, Index block, Index width) {
    Matrix<double> part({static_cast<Index>(classes.size()), width});
    for (std::size_t i = 0; i < classes.size(); ++i) { std::copy_n(prototypes.data() + classes[i] * prototypes.extent(1) + block * width, width, part.data() + static_cast<Index>(i) * width); }
    return part;
  }

  /// Synthetic prototypes of the classes of task `old` in subspace `later`.
  template <class Exec>
  void complete(Exec const& exec, State const& state, Index old, Index later, Matrix<double>& prototypes) const {
    std::vector<Index> missing;
    std::vector<Index> donors;
    for (Index c = 0; c < state.classes(); ++c) {
      if (state.counts_[static_cast<std::size_t>(c)] == 0) { continue; }
      if (state.tasks_[static_cast<std::size_t>(c)] == old) { missing.push_back(c); }
      if (state.tasks_[static_cast<std::size_t>(c)] >= later) { donors.push_back(c); }
    }
    if (missing.empty() || donors.empty()) { return; }
    Index const width = state.width_;
    auto weights = Matrix<double>::zeros({static_cast<Index>(missing.size()), static_cast<Index>(donors.size())});
    UnitRows const asked(block_of(prototypes, missing, old + leading(), width).cview());
    UnitRows const alike(block_of(prototypes, donors, old + leading(), width).cview());
    kernels::row_products(exec, asked.rows.cview(), alike.rows.cview(), weights.view());
    for (Index i = 0; i < weights.extent(0); ++i) { soften(weights[i]); }
    auto result = Matrix<double>::zeros({static_cast<Index>(missing.size()), width});
    kernels::column_products(exec, detail::turned(weights.cview()).cview(), block_of(prototypes, donors, later + leading(), width).cview(), result.view());
    for (std::size_t i = 0; i < missing.size(); ++i) {
      std::copy(result[static_cast<Index>(i)].begin(), result[static_cast<Index>(i)].end(), prototypes.data() + missing[i] * prototypes.extent(1) + (later + leading()) * width);
    }
  }

  /// Softmax of cosines: they lie in [-1, 1], so nothing overflows.
  static void soften(VectorView<double> row) {
    double sum = 0.0;
    for (double& x : row) {
      x = std::exp(x);
      sum += x;
    }
    for (double& x : row) { x /= sum; }
  }

  /// Unit prototypes, block by block, times the weight of the block for that class.
  [[nodiscard]] Matrix<float> weighted(State const& state) const {
    Index const blocks = state.blocks();
    UnitRows const units(state.prototypes_.cview().reshaped<2>({state.classes() * blocks, state.width_}));
    double const others = state.subspaces_ > 1 ? alpha / static_cast<double>(state.subspaces_ - 1) : 0.0;
    Matrix<float> rows(state.prototypes_.shape());
    for (Index c = 0; c < state.classes(); ++c) {
      for (Index b = 0; b < blocks; ++b) {
        Index const subspace = b - leading();
        double const weight = subspace < 0 ? beta : subspace == state.tasks_[static_cast<std::size_t>(c)] ? 1.0 : others;
        for (Index j = 0; j < state.width_; ++j) { rows(c, b * state.width_ + j) = static_cast<float>(weight * units.rows(c * blocks + b, j)); }
      }
    }
    return rows;
  }
};
static_assert(HasHeadState<SubspaceHead> && AdmitsTasks<SubspaceHead> && LearnsFromFeatures<SubspaceHead> && ScoresClasses<SubspaceHead> && StoresItsState<SubspaceHead>);

}  // namespace accrete
