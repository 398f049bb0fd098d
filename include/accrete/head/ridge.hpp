#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/host_product.hpp>
#include <accrete/head/no_projection.hpp>
#include <accrete/head/random_projection.hpp>
#include <accrete/head/ridge_choice.hpp>
#include <accrete/head/ridge_selection.hpp>
#include <accrete/head/ridge_state.hpp>
#include <accrete/kernels/product.hpp>
#include <accrete/kernels/rank_k_update.hpp>
#include <accrete/kernels/ridge_solve.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// How a mapped feature h is scored against the weights w_c.
///   linear  <h, w_c>                 as published
///   cosine  <h, w_c> / (|h| |w_c|)   changes which class wins, since the lengths of the w_c differ
enum class RidgeScore { linear, cosine };

/// Exact ridge classifier of mapped features, from sums alone: W = (G + ridge I)^-1 Q with G = H^T H and Q = H^T Y over all samples ever seen.
/// Adding tasks one by one gives the solution of all of them together; nothing of size samples x outputs is ever in memory.
/// Sums are float64 and do not depend on how a task is cut into `observe` calls, bit for bit.
/// @tparam Feature  FeatureMap: `RandomProjection` or `NoProjection`
/// @source McDonnell, Gong, Parvaneh, Abbasnejad, van den Hengel, "RanPAC", NeurIPS 2023, arXiv:2307.02251, Algorithm 1
template <class Feature = RandomProjection>
struct RidgeHead {
  static constexpr std::string_view name = Feature::projects ? "ridge-random-projection" : "ridge";
  static constexpr StatisticsTraits statistics{.additive = true, .mergeable = true, .forgettable = true, .forgets_by_features = true};
  using State = RidgeState<Feature>;

  Index projection = 0;              ///< outputs M of the map; 0: its own choice (10,000; 2,000 for features narrower than 384)
  std::optional<double> ridge = {};  ///< nothing: chosen after each task by `selection`
  RidgeSelection selection = RidgeSelection::holdout;
  RidgeScore score = RidgeScore::linear;
  std::uint64_t seed = 1993;       ///< draws the projection and the hold-out split
  Index selection_samples = 8192;  ///< a larger task is sub-sampled for the choice of the ridge, and `notes` says so
  bool keep_features = false;      ///< keep the features of every class in the state, so that `forget` needs none

  /// Makes room for `classes` classes; fewer than there are changes nothing. Needs a `fit` before scores.
  void admit(State& state, Index classes) const {
    if (classes <= state.classes()) { return; }
    grow_sums(state, classes);
    state.counts_.resize(static_cast<std::size_t>(classes), 0);
    state.kept_.resize(static_cast<std::size_t>(classes));
  }
  [[nodiscard]] Index classes(State const& state) const { return state.classes(); }

  /// Adds labelled features of the current task. They are kept until the next `fit`, which chooses the ridge by them.
  /// @param[in] features [n, L] host memory;  @param[in] columns [n] class of each
  /// @throws ShapeError, ValueError  as detail::check_labelled says, or for a ridge that is not positive; the state is unchanged then
  /// Cost: n * M * (2 L + M) flop, at the latest in `fit`
  template <class Exec>
  void observe(Exec const& exec, State& state, MatrixView<float const> features, std::span<Index const> columns) const {
    check_settings();
    detail::check_labelled("RidgeHead::observe", features, columns, state.classes(), state.inputs());
    if (!state.map_) { start(state, Feature(features.extent(1), projection, seed)); }
    state.rows_.insert(state.rows_.end(), features.begin(), features.end());
    state.row_columns_.insert(state.row_columns_.end(), columns.begin(), columns.end());
    while (state.waiting() - state.added_ >= chunk) { add_chunk(exec, state, chunk); }
  }

  /// Brings the sums up to date, chooses the ridge, solves for the weights, and lets go of the task's features.
  /// Without new samples since the last `fit` the ridge stays, unless it is chosen by the sums (`gcv`).
  /// @throws ValueError  for a ridge that is not positive
  template <class Exec>
  void fit(Exec const& exec, State& state) const {
    check_settings();
    state.packed_.clear();
    if (!state.map_) { return; }
    if (state.waiting() > state.added_) { add_chunk(exec, state, state.waiting() - state.added_); }
    RidgeReport report;
    report.statistics_seconds = std::exchange(state.report_.statistics_seconds, 0.0);
    report.task_samples = state.waiting();
    state.weights_ = Matrix<double>::zeros(state.sums_.shape());
    if (state.samples_ > 0) {
      Watch watch;
      auto weights = choose(exec, state, report);
      report.selection_seconds = watch.lap();
      if (!weights || !accept(exec, state, std::move(*weights), report)) { solve(exec, state, report); }
      report.solve_seconds = watch.lap();
    }
    state.ridge_ = report.ridge;
    state.fits_ += state.row_columns_.empty() ? 0 : 1;
    state.rows_ = {};
    state.row_columns_ = {};
    state.added_ = 0;
    state.report_ = std::move(report);
  }

  /// @param[in] features [B, L], host memory;  @param[out] scores [B, C], host memory
  /// A feature's scores depend on it alone, bit for bit.
  /// @throws ValueError before the first `fit`;  ShapeError when the extents do not fit.   Cost: 2 * B * M * (L + C) flop
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    if (!state.map_ || state.weights_.extent(0) != state.classes()) { fail<ValueError>("RidgeHead::scores", "there are classes, or no samples at all, that no fit has seen"); }
    detail::check_scored("RidgeHead::scores", features, scores, state.classes(), state.inputs());
    auto const packed = state.packed_.get(exec, static_cast<Index>(score), [&](Exec const& in_float32) { return pack(in_float32, state.weights_); });
    constexpr Index batch = 256;
    for (Index first = 0; first < features.extent(0); first += batch) {
      Index const count = std::min(batch, features.extent(0) - first);
      auto const h = detail::mapped(exec, *state.map_, features.slice(first, count));
      auto const part = scores.slice(first, count);
      host_product(exec, RowsView<float const>(h.view()), packed, {}, RowsView<float>(part));
      if (score == RidgeScore::cosine) { divide_by_lengths(h, part); }
    }
  }

  /// Adds what another state has seen; needs a `fit` afterwards. The larger of the two ridges stays, so that the order of merging does not matter.
  /// @param[in] columns [other's C] which class of `state` each class of `other` is; they must be admitted
  /// @throws ShapeError, ValueError  when columns or maps do not fit, or one of the two has samples that no `fit` has seen; `state` is unchanged then
  void merge(State& state, State const& other, std::span<Index const> columns) const {
    detail::check_merge("RidgeHead::merge", columns, other.classes(), state.classes());
    if (state.waiting() > 0 || other.waiting() > 0) { fail<ValueError>("RidgeHead::merge", "both must be fitted first"); }
    if (!other.map_) { return; }
    if (state.map_ && !(*state.map_ == *other.map_)) {
      fail<ValueError>("RidgeHead::merge", "both must have the same map of features (came: ", state.inputs(), " to ", state.outputs(), " and ", other.inputs(), " to ", other.outputs(), ")");
    }
    if (!state.map_) { start(state, *other.map_); }
    add_to(state.gram_.storage(), other.gram_.storage());
    for (Index j = 0; j < other.classes(); ++j) {
      auto const from = static_cast<std::size_t>(j);
      auto const to = static_cast<std::size_t>(columns[from]);
      add_to(state.sums_[columns[from]], other.sums_.cview()[j]);
      state.counts_[to] += other.counts_[from];
      state.kept_[to].insert(state.kept_[to].end(), other.kept_[from].begin(), other.kept_[from].end());
    }
    state.samples_ += other.samples_;
    state.ridge_ = std::max(state.ridge_, other.ridge_);
    state.fits_ += other.fits_;
  }

  /// Takes a class back: G - H^T H and its sum and count; the columns behind it move up by one. Needs a `fit` afterwards.
  /// @param[in] features [n, L] all features the class was learned from, in any order; may be empty where the head kept them
  /// @throws ShapeError  for a column without a class, another width or another number of features than were learned
  /// @throws ValueError  when the features are needed and missing, or are not those of the class; `state` is unchanged then, but for sums brought up to date
  template <class Exec>
  void forget(Exec const& exec, State& state, Index column, MatrixView<float const> features) const {
    expects(column >= 0 && column < state.classes(), "RidgeHead::forget", "the column must be that of a class", column, state.classes());
    if (state.waiting() > state.added_) { add_chunk(exec, state, state.waiting() - state.added_); }
    auto const place = static_cast<std::size_t>(column);
    Index const learned = state.counts_[place];
    if (learned > 0) { take_back(exec, state, column, learned_rows(state, column, features)); }
    drop_row(state.sums_, column);
    state.counts_.erase(state.counts_.begin() + column);
    state.kept_.erase(state.kept_.begin() + column);
    state.samples_ -= learned;
    if (state.samples_ == 0 && state.map_) { std::fill(state.gram_.storage().begin(), state.gram_.storage().end(), 0.0); }
    drop_waiting(state, column);
    state.weights_ = {};
  }

  /// What the last `fit` chose, in sentences.
  [[nodiscard]] std::vector<std::string> notes(State const& state) const {
    RidgeReport const& report = state.report_;
    std::vector<std::string> notes;
    if (report.ridge == 0.0) { return notes; }
    notes.push_back(message("ridge ", report.chosen, " (", report.chosen_by, ")"));
    if (report.selection_samples > 0 && report.selection_samples < report.task_samples) {
      notes.push_back(message("the ridge was chosen by ", report.selection_samples, " of ", report.task_samples, " samples"));
    }
    if (report.ridge > report.chosen) { notes.push_back(message("ridge ", report.chosen, " could not be solved with; ", report.ridge, " was used")); }
    return notes;
  }

  /// Tensors `counts` [C], `sums` and `weights` [C, M], `gram` (tiles, as in core/symmetric.hpp), the features that wait for a `fit`, and those kept.
  template <class Writer>
  void write(State const& state, Writer& writer) const {
    writer.setting("inputs", state.inputs());
    writer.setting("outputs", state.outputs());
    writer.setting("seed", seed);
    writer.setting("fits", state.fits_);
    writer.setting("ridge", state.ridge_);
    writer.setting("added", state.added_);
    writer.setting("fitted", state.weights_.extent(0) == state.classes());
    writer.setting("gram_edge", TriangleTiles::edge);
    writer.setting("gram_panel", TriangleTiles::panel);
    writer.tensor("counts", as_vector(state.counts_));
    writer.tensor("waiting", VectorView<float const>(state.rows_.data(), {static_cast<Index>(state.rows_.size())}));
    writer.tensor("waiting_columns", as_vector(state.row_columns_));
    writer.tensor("sums", state.sums_);
    writer.tensor("weights", state.weights_);
    writer.tensor("gram", state.gram_.storage());
    for (std::size_t c = 0; c < state.kept_.size(); ++c) {
      if (!state.kept_[c].empty()) { writer.tensor(message("kept.", c), VectorView<float const>(state.kept_[c].data(), {static_cast<Index>(state.kept_[c].size())})); }
    }
  }

  /// @throws FileError  when something is missing or of another shape, or the projection is another one; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    auto const file = reader.path().string();
    fresh.counts_ = as_list(reader.template tensor<Index, 1>("counts"));
    detail::check_counts(file, fresh.counts_);
    fresh.kept_.resize(fresh.counts_.size());
    auto const inputs = reader.template setting<Index>("inputs");
    if (inputs != 0) { read_sums(fresh, reader, inputs); }
    fresh.fits_ = reader.template setting<Index>("fits");
    fresh.ridge_ = reader.template setting<double>("ridge");
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<RidgeHead>> settings() {
    std::vector<Setting<RidgeHead>> all;
    if constexpr (Feature::projects) {
      all.push_back(number_setting("projection", "outputs of the random projection; 0: 10000, or 2000 for features narrower than 384", &RidgeHead::projection, Index{0}, Index{1} << 20));
    }
    all.push_back(optional_setting("ridge", "what is added to the diagonal: a number, or auto to choose it after each task", &RidgeHead::ridge, "auto", 1e-12, 1e18));
    all.push_back(choice_setting("selection", "by what the ridge is chosen", &RidgeHead::selection,
                                 std::vector<std::pair<std::string, RidgeSelection>>{
                                     {"holdout", RidgeSelection::holdout}, {"gcv", RidgeSelection::gcv}, {"loo", RidgeSelection::loo}, {"prospective-loo", RidgeSelection::prospective_loo}}));
    all.push_back(
        choice_setting("score", "how a feature is scored", &RidgeHead::score, std::vector<std::pair<std::string, RidgeScore>>{{"linear", RidgeScore::linear}, {"cosine", RidgeScore::cosine}}));
    all.push_back(number_setting("selection_samples", "a larger task is sub-sampled for the choice of the ridge", &RidgeHead::selection_samples, Index{5}, Index{1} << 20));
    all.push_back(choice_setting("keep_features", "keep the features of every class in the model, so that a class can be forgotten without its pictures", &RidgeHead::keep_features,
                                 std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}}));
    all.push_back(number_setting("seed", "draws the projection and the hold-out split", &RidgeHead::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max()));
    return all;
  }

 private:
  /// Rows that are mapped and added at a time; the sums of a task do not depend on how it was cut before.
  static constexpr Index chunk = detail::mapped_rows;

  class Watch {
   public:
    [[nodiscard]] double lap() {
      auto const now = std::chrono::steady_clock::now();
      return std::chrono::duration<double>(now - std::exchange(start_, now)).count();
    }

   private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  };

  void check_settings() const {
    if (ridge && !(*ridge > 0.0 && std::isfinite(*ridge))) { fail<ValueError>("RidgeHead", "the ridge must be a positive number (came: ", *ridge, ")"); }
    expects(selection_samples >= detail::least_samples, "RidgeHead", "the choice of the ridge needs at least five samples", selection_samples);
  }

  static void start(State& state, Feature map) {
    state.gram_ = SymmetricMatrix<double>(map.outputs());
    state.sums_ = Matrix<double>::zeros({state.classes(), map.outputs()});
    state.map_ = std::move(map);
  }

  static void grow_sums(State& state, Index classes) {
    if (!state.map_) { return; }
    auto grown = Matrix<double>::zeros({classes, state.outputs()});
    std::copy(state.sums_.begin(), state.sums_.end(), grown.begin());
    state.sums_ = std::move(grown);
  }

  /// Adds the next rows that wait to the sums.
  template <class Exec>
  void add_chunk(Exec const& exec, State& state, Index count) const {
    Watch watch;
    auto const rows = state.rows(state.added_, count);
    auto const h = detail::mapped(exec, *state.map_, rows);
    kernels::rank_k_update(exec, 1.0, h.cview(), state.gram_.view());
    for (Index i = 0; i < count; ++i) {
      Index const column = state.row_columns_[static_cast<std::size_t>(state.added_ + i)];
      add_row(h.cview()[i], state.sums_[column]);
      ++state.counts_[static_cast<std::size_t>(column)];
      if (keep_features) {
        auto& kept = state.kept_[static_cast<std::size_t>(column)];
        kept.insert(kept.end(), rows[i].begin(), rows[i].end());
      }
    }
    state.samples_ += count;
    state.added_ += count;
    state.report_.statistics_seconds += watch.lap();
  }

  template <class Exec>
  [[nodiscard]] std::optional<Matrix<double>> choose(Exec const& exec, State const& state, RidgeReport& report) const {
    if (ridge) {
      report.chosen = *ridge;
      report.chosen_by = "fixed";
      return std::nullopt;
    }
    RidgeChoice const choice{selection, selection_samples, {.seed = seed, .purpose = Purpose::split, .task = static_cast<std::uint32_t>(state.fits_)}, state.ridge_};
    LabelledRows const rows{state.rows(0, state.waiting()), state.row_columns_, state.classes()};
    return choose_ridge(exec, *state.map_, rows, state.known(), choice, report);
  }

  /// Takes weights that came with the choice of the ridge if they solve the system of the sums.
  template <class Exec>
  [[nodiscard]] static bool accept(Exec const& exec, State& state, Matrix<double> weights, RidgeReport& report) {
    RidgeSums const known = state.known();
    double const residual = kernels::ridge_residual(exec, known.gram, report.chosen, known.sums, weights.view());
    if (!(residual <= kernels::RidgeSolution::largest_residual)) { return false; }
    state.weights_ = std::move(weights);
    report.ridge = report.chosen;
    report.solution.solved = true;
    report.solution.residual = residual;
    report.by_inner_products = true;
    return true;
  }

  /// Raises the ridge tenfold until the system is definite in float64: rounding of the sums can hide a ridge far below their largest eigenvalue.
  template <class Exec>
  static void solve(Exec const& exec, State& state, RidgeReport& report) {
    RidgeSums const known = state.known();
    report.ridge = report.chosen;
    while (true) {
      report.solution = kernels::ridge_solve(exec, known.gram, report.ridge, known.sums, state.weights_.view());
      if (report.solution.solved) { return; }
      report.ridge *= 10.0;
      if (!std::isfinite(report.ridge)) { fail<ValueError>("RidgeHead::fit", "no ridge makes the system solvable; the features are too large for float64 sums"); }
    }
  }

  template <class Exec>
  [[nodiscard]] typename Exec::PackedWeights pack(Exec const& exec, Matrix<double> const& solution) const {
    Matrix<float> weights(solution.shape());
    for (Index c = 0; c < solution.extent(0); ++c) {
      double squared = 0.0;
      for (double const w : solution.cview()[c]) { squared += w * w; }
      double const length = score == RidgeScore::cosine ? std::max(std::sqrt(squared), 1e-300) : 1.0;
      std::transform(solution.cview()[c].begin(), solution.cview()[c].end(), weights[c].begin(), [length](double w) { return static_cast<float>(w / length); });
    }
    return kernels::pack(exec, weights.cview(), {});
  }

  static void divide_by_lengths(Matrix<float> const& h, MatrixView<float> scores) {
    for (Index i = 0; i < h.extent(0); ++i) {
      double squared = 0.0;
      for (float const x : h.cview()[i]) { squared += static_cast<double>(x) * static_cast<double>(x); }
      double const length = std::max(std::sqrt(squared), 1e-12);
      std::transform(scores[i].begin(), scores[i].end(), scores[i].begin(), [length](float z) { return static_cast<float>(static_cast<double>(z) / length); });
    }
  }

  /// The rows a class was learned from: those given, or those kept.
  [[nodiscard]] static MatrixView<float const> learned_rows(State const& state, Index column, MatrixView<float const> given) {
    auto const place = static_cast<std::size_t>(column);
    Index const learned = state.counts_[place];
    if (given.extent(0) > 0) {
      expects(given.extent(0) == learned && given.extent(1) == state.inputs(), "RidgeHead::forget", "the features must be all those the class was learned from", given.extent(0), given.extent(1),
              learned, state.inputs());
      return given;
    }
    MatrixView<float const> const kept(state.kept_[place].data(), {static_cast<Index>(state.kept_[place].size()) / state.inputs(), state.inputs()});
    if (kept.extent(0) != learned) { fail<ValueError>("RidgeHead::forget", "the ", learned, " features the class was learned from are needed, since the model did not keep them"); }
    return kept;
  }

  /// Checks that the rows sum up to what the class added, then subtracts them from G.
  template <class Exec>
  static void take_back(Exec const& exec, State& state, Index column, MatrixView<float const> rows) {
    auto rest = Vector<double>({state.outputs()});
    std::copy(state.sums_[column].begin(), state.sums_[column].end(), rest.begin());
    double largest = 0.0;
    for (double const sum : rest) { largest = std::max(largest, std::abs(sum)); }
    auto const for_chunks = [&](auto const& use) {
      for (Index first = 0; first < rows.extent(0); first += chunk) { use(detail::mapped(exec, *state.map_, rows.slice(first, std::min(chunk, rows.extent(0) - first)))); }
    };
    for_chunks([&](Matrix<float> const& h) {
      for (Index i = 0; i < h.extent(0); ++i) {
        for (Index j = 0; j < h.extent(1); ++j) { rest(j) -= static_cast<double>(h(i, j)); }
      }
    });
    // Another executor may round the map differently, hence not exactly zero.
    if (!std::all_of(rest.begin(), rest.end(), [&](double left) { return std::abs(left) <= 1e-4 * largest; })) {
      fail<ValueError>("RidgeHead::forget", "the features are not those the class was learned from: they do not add up to its sum");
    }
    for_chunks([&](Matrix<float> const& h) { kernels::rank_k_update(exec, -1.0, h.cview(), state.gram_.view()); });
  }

  static void drop_row(Matrix<double>& matrix, Index row) {
    if (matrix.extent(0) == 0) { return; }
    Matrix<double> rest({matrix.extent(0) - 1, matrix.extent(1)});
    auto const gap = matrix.begin() + row * matrix.extent(1);
    std::copy(gap + matrix.extent(1), matrix.end(), std::copy(matrix.begin(), gap, rest.begin()));
    matrix = std::move(rest);
  }

  /// Removes a class from the rows that wait for the choice of the ridge; all of them are in the sums by now.
  static void drop_waiting(State& state, Index column) {
    Index const width = state.inputs();
    Index left = 0;
    for (Index i = 0; i < state.waiting(); ++i) {
      Index const label = state.row_columns_[static_cast<std::size_t>(i)];
      if (label == column) { continue; }
      std::copy_n(state.rows_.begin() + i * width, width, state.rows_.begin() + left * width);
      state.row_columns_[static_cast<std::size_t>(left++)] = label > column ? label - 1 : label;
    }
    state.rows_.resize(static_cast<std::size_t>(left * width));
    state.row_columns_.resize(static_cast<std::size_t>(left));
    state.added_ = left;
  }

  template <class Reader>
  void read_sums(State& fresh, Reader const& reader, Index inputs) const {
    auto const file = reader.path().string();
    if (inputs < 0 || reader.template setting<Index>("gram_edge") != TriangleTiles::edge || reader.template setting<Index>("gram_panel") != TriangleTiles::panel) {
      fail<FileError>(file, "holds a symmetric matrix in tiles of another size, or of features of a negative width");
    }
    if (reader.template setting<std::uint64_t>("seed") != seed) { fail<FileError>(file, "was learned with the seed ", reader.template setting<std::uint64_t>("seed"), ", but is read with ", seed); }
    fresh.map_ = Feature(inputs, projection, seed);
    Index const outputs = fresh.outputs();
    if (reader.template setting<Index>("outputs") != outputs) {
      fail<FileError>(file, "was learned with ", reader.template setting<Index>("outputs"), " outputs of the map, but is read with ", outputs);
    }
    Shape<2> const shape{fresh.classes(), outputs};
    fresh.gram_ = SymmetricMatrix<double>(outputs, reader.template tensor<double, 1>("gram", Shape<1>{TriangleTiles{outputs}.size()}));
    fresh.sums_ = reader.template tensor<double, 2>("sums", shape);
    if (reader.template setting<bool>("fitted")) { fresh.weights_ = reader.template tensor<double, 2>("weights", shape); }
    for (Index const count : fresh.counts_) { fresh.samples_ += count; }

    fresh.row_columns_ = as_list(reader.template tensor<Index, 1>("waiting_columns"));
    fresh.rows_ = as_list(reader.template tensor<float, 1>("waiting", Shape<1>{fresh.waiting() * inputs}));
    fresh.added_ = reader.template setting<Index>("added");
    bool const known = std::all_of(fresh.row_columns_.begin(), fresh.row_columns_.end(), [&](Index column) { return column >= 0 && column < fresh.classes(); });
    if (!known || fresh.added_ < 0 || fresh.added_ > fresh.waiting()) { fail<FileError>(file, "holds waiting samples of unknown classes"); }
    for (std::size_t c = 0; c < fresh.kept_.size(); ++c) {
      auto const kept = message("kept.", c);
      if (reader.has(kept)) { fresh.kept_[c] = as_list(reader.template tensor<float, 1>(kept)); }
      if (static_cast<Index>(fresh.kept_[c].size()) % inputs != 0) { fail<FileError>(file, "keeps features of class ", c, " of another width"); }
    }
  }

  static void add_to(VectorView<double> to, VectorView<double const> from) {
    std::transform(to.begin(), to.end(), from.begin(), to.begin(), [](double a, double b) { return a + b; });
  }
  static void add_row(VectorView<float const> from, VectorView<double> to) {
    std::transform(to.begin(), to.end(), from.begin(), to.begin(), [](double sum, float x) { return sum + static_cast<double>(x); });
  }

  static Vector<Index> as_vector(std::vector<Index> const& list) {
    Vector<Index> vector({static_cast<Index>(list.size())});
    std::copy(list.begin(), list.end(), vector.begin());
    return vector;
  }
  template <class T>
  static std::vector<T> as_list(Vector<T> const& vector) {
    return {vector.begin(), vector.end()};
  }
};
static_assert(ClassifierHead<RidgeHead<>> && MergesStatistics<RidgeHead<>> && ForgetsClasses<RidgeHead<>>);

}  // namespace accrete
