#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/kernels/parts.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/metric/slot_usage.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/prompt/film_generator.hpp>
#include <accrete/prompt/growth/pool.hpp>
#include <accrete/prompt/keys/cosine.hpp>
#include <accrete/prompt/measures.hpp>
#include <accrete/prompt/placement/tokens.hpp>
#include <accrete/prompt/scope/instance.hpp>
#include <accrete/prompt/select/task_slice.hpp>
#include <accrete/prompt/state.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete {

template <class Exec, class Prompt>
class GeneratedHook;
template <class Exec, class Prompt>
class GeneratedLearningHook;

/// How the mixing of tokens begins.
///   zeros   as published. All rows of a block are then the same, get the same gradient and stay the same: they count as one row several times
///   normal  N(0, 1e-3^2)
enum class DownInit { zeros, normal };

/// No stored prompts: in front of every block a few rows are made of the tokens that reach it, by a mixing of the tokens that stands still after the first task and a
/// modulation by the embedding of the picture's task. The task is the one whose key is most similar to the query. The rows take the place of those of the block before.
/// @tparam ScopeType  Instance, or BatchVote to reproduce published numbers;  @tparam GrowthType  GrowingPool or FixedPool
/// @source Jung et al., "Generating Instance-level Prompts for Rehearsal-free Continual Learning" (DAP), ICCV 2023
template <class ScopeType = Instance, class GrowthType = GrowingPool>
struct GeneratedPrompt {
  using Scope = ScopeType;

  static constexpr bool needs_query = true;
  static constexpr bool batch_dependent = Scope::batch_dependent;
  static constexpr std::string_view role = "prompt";
  static constexpr std::string_view down_weight = "prompt.down.weight";  ///< [blocks, N, T]
  static constexpr std::string_view down_bias = "prompt.down.bias";      ///< [blocks, N]
  static constexpr std::string_view film_weight = "prompt.film.weight";  ///< [blocks, 2 D, E]: gamma, then beta
  static constexpr std::string_view film_bias = "prompt.film.bias";      ///< [blocks, 2 D]
  static constexpr std::string_view norm_weight = "prompt.norm.weight";  ///< [blocks, D]
  static constexpr std::string_view norm_bias = "prompt.norm.bias";      ///< [blocks, D]
  static constexpr std::string_view keys_segment = "prompt.keys";        ///< [M, D]
  static constexpr std::string_view embedding = "prompt.embedding";      ///< [M, E]

  [[nodiscard]] static std::string composition() { return message("generated<", Scope::name, ", ", GrowthType::name, ">"); }

  Index pool = 10;               ///< M, tasks there is room for at first
  Index length = 10;             ///< N, rows in each block
  Index embedding_width = 16;    ///< E
  double pull = 12.8;            ///< how strongly the key of the task is pulled towards the queries; 128 lambda_s, whatever the batch
  bool sum_pull = false;         ///< pulls by the sum over the batch instead of the mean, as the release does by a slip of an index; `pull` is then its lambda_s
  bool skip_last = false;        ///< no rows in the last block, as the release does for ImageNet-R
  bool task_restricted = false;  ///< only classes of the task that a picture is taken for may win, as in the release for ImageNet-R
  DownInit initial = DownInit::zeros;
  std::uint64_t seed = 1993;  ///< draws all of it

  class State : public PromptState {
   public:
    [[nodiscard]] Index slots() const { return parameters_.contains(keys_segment) ? parameters_.segment(keys_segment).shape[0] : 0; }
    /// The last task begun; -1 before the first.
    [[nodiscard]] Index task() const { return task_; }

   private:
    friend struct GeneratedPrompt;
    Index task_ = -1;
  };

  void fit_place(State& state, PromptPlace const& place) const {
    state = {};
    state.place_ = place;
  }

  /// Makes everything before the first task, and room for one more task where there is none.
  /// @throws ValueError  for a length below 1, or when a fixed pool has no room;  the state is unchanged then
  void begin_task(State& state, TaskInfo const& task) const {
    State next = state;
    if (next.parameters_.size() == 0) { make(next); }
    auto& store = next.parameters_;
    Index const before = next.slots();
    Index const after = GrowthType::slots(before, task.index + 1, task.index);
    if (after > before) { grow(store, before, after); }
    next.task_ = task.index;
    for (std::string_view const name : {down_weight, down_bias}) { store.train_rows(name, 0, task.index == 0 ? next.place_.depth : 0); }
    for (std::string_view const name : {keys_segment, embedding}) { store.train_rows(name, task.index, 1); }
    next.before_ = store;
    state = std::move(next);
  }

  /// Measures how far the task moved what all tasks share, and its key.
  void end_task(State& state, TaskInfo const& task) const {
    state.drift_.clear();
    auto const& store = std::as_const(state).parameters_;
    auto const& before = std::as_const(state).before_;
    if (before.segments() == store.segments()) {
      state.drift_.emplace_back("modulation change", relative_change<3>(before.template view<3>(film_weight), store.template view<3>(film_weight)));
      state.drift_.emplace_back("norm change", relative_change<2>(before.template view<2>(norm_weight), store.template view<2>(norm_weight)));
      state.drift_.emplace_back("key drift", cosine_drift(before.template view<2>(keys_segment).slice(task.index, 1), store.template view<2>(keys_segment).slice(task.index, 1)));
    }
    state.before_ = {};
  }

  [[nodiscard]] Index first_block(State const& /*state*/) const { return 0; }
  [[nodiscard]] Index read_rows(State const& /*state*/) const { return 0; }
  [[nodiscard]] bool restricts_classes() const { return task_restricted; }

  /// The task that each picture is taken for when it is judged.
  /// @param[in] queries [B, D] host memory;  @returns [B, 1]
  template <class Exec>
  [[nodiscard]] Matrix<Index> chosen_slots(Exec const& exec, State const& state, MatrixView<float const> queries) const {
    auto const near = key_similarity(exec, queries, std::as_const(state).parameters_.template view<2>(keys_segment));
    Matrix<Index> chosen({queries.extent(0), 1});
    for (Index b = 0; b < near.extent(0); ++b) {
      TaskSlice{}.select({near.cview()[b].data(), static_cast<std::size_t>(near.extent(1))}, {.task = state.task_, .learning = false, .usage = {}}, {chosen.view()[b].data(), 1});
    }
    Scope::agree(chosen.view(), near.extent(1));
    return chosen;
  }
  [[nodiscard]] static Matrix<Index> slots_of(std::span<Index const> tasks) {
    Matrix<Index> chosen({static_cast<Index>(tasks.size()), 1});
    std::copy(tasks.begin(), tasks.end(), chosen.begin());
    return chosen;
  }

  /// @param[in] queries [B, D] host memory, of the pictures that the hook is for
  template <class Exec>
  [[nodiscard]] GeneratedHook<Exec, GeneratedPrompt> hook(Exec const& exec, State const& state, MatrixView<float const> queries) const {
    return hook_of(exec, state, chosen_slots(exec, state, queries).cview());
  }
  /// The same with tasks that are given.
  /// @param[in] chosen [B, 1]
  template <class Exec>
  [[nodiscard]] GeneratedHook<Exec, GeneratedPrompt> hook_of(Exec const& exec, State const& state, MatrixView<Index const> chosen) const {
    GeneratedHook<Exec, GeneratedPrompt> hook(exec, *this, state);
    hook.take(chosen);
    return hook;
  }
  template <class Exec>
  [[nodiscard]] GeneratedLearningHook<Exec, GeneratedPrompt> learning_hook(Exec const& exec, State const& state) const {
    return {exec, *this, state};
  }

  [[nodiscard]] Measures measures(State const& state) const {
    Measures all = state.drift_;
    all.emplace_back("slots", static_cast<double>(state.slots()));
    double different = 0.0;
    auto const rows = std::as_const(state).parameters_.template view<3>(down_weight);
    for (Index block = 0; block < rows.extent(0); ++block) { different = std::max(different, row_diversity(rows[block])); }
    all.emplace_back("row diversity", different);
    return all;
  }

  template <class Writer>
  void write(State const& state, Writer const& writer) const {
    state.write(writer);
    writer.setting("task", state.task_);
  }
  /// @throws FileError  when something is missing or does not fit
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    fresh.read(reader);
    fresh.task_ = reader.template setting<Index>("task");
    if (fresh.parameters_.size() > 0) {
      State expected;
      expected.place_ = fresh.place_;
      make(expected);
      if (fresh.slots() > expected.slots()) { grow(expected.parameters_, expected.slots(), fresh.slots()); }
      auto const shapes = [](ParameterStore<float> const& store) {
        std::vector<std::pair<std::string, std::vector<Index>>> all;
        for (auto const& segment : store.segments()) { all.emplace_back(segment.name, segment.shape); }
        return all;
      };
      bool const has_task = fresh.task_ >= 0 && fresh.task_ < fresh.slots();
      if (!has_task || shapes(fresh.parameters_) != shapes(expected.parameters_)) { fail<FileError>(reader.path().string(), "holds a generator of prompts that does not fit its settings"); }
    }
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<GeneratedPrompt>> settings() {
    return {number_setting("pool", "tasks there is room for at first", &GeneratedPrompt::pool, Index{1}, Index{1000000}),
            number_setting("prompt-length", "rows in each block", &GeneratedPrompt::length, Index{1}, Index{10000}),
            number_setting("embedding", "width of the embedding of a task", &GeneratedPrompt::embedding_width, Index{1}, Index{10000}),
            number_setting("pull", "how strongly the key of a task is pulled towards the queries", &GeneratedPrompt::pull, 0.0, 1e6),
            choice_setting("sum-pull", "pull by the sum over the batch, as the release does", &GeneratedPrompt::sum_pull, std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}}),
            choice_setting("skip-last", "no rows in the last block, as the release does for ImageNet-R", &GeneratedPrompt::skip_last,
                           std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}}),
            choice_setting("task-restricted", "only classes of the task that a picture is taken for may win, as in the release for ImageNet-R", &GeneratedPrompt::task_restricted,
                           std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}}),
            choice_setting("prompt-initial", "how the mixing of tokens begins", &GeneratedPrompt::initial,
                           std::vector<std::pair<std::string, DownInit>>{{"zeros", DownInit::zeros}, {"normal", DownInit::normal}}),
            number_setting("prompt-seed", "draws the generator", &GeneratedPrompt::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max())};
  }

 private:
  [[nodiscard]] Rng random(std::uint64_t object) const { return Rng({.seed = seed, .purpose = Purpose::initialisation, .object = object}); }
  static void uniform(Rng const& random, double bound, Index first, VectorView<float> values) {
    for (Index i = 0; i < values.size(); ++i) { values[i] = static_cast<float>(bound * (2.0 * random.uniform(static_cast<std::uint64_t>(first + i)) - 1.0)); }
  }

  void make(State& state) const {
    detail::check_length("GeneratedPrompt", length);
    PromptPlace const& place = state.place_;
    auto& store = state.parameters_;
    auto const add = [&](std::string_view name, std::vector<Index> shape) {
      Index const rows = shape[0];
      store.add({.name = std::string(name), .shape = std::move(shape), .role = std::string(role), .trainable_rows = rows});
    };
    add(down_weight, {place.depth, length, place.tokens});
    add(down_bias, {place.depth, length});
    add(film_weight, {place.depth, 2 * place.width, embedding_width});
    add(film_bias, {place.depth, 2 * place.width});
    add(norm_weight, {place.depth, place.width});
    add(norm_bias, {place.depth, place.width});
    add(keys_segment, {0, place.width});
    add(embedding, {0, embedding_width});
    if (initial == DownInit::normal) {
      auto const down = store.values(down_weight);
      random(1).fill_normal(0, down);
      for (float& value : down) { value *= 1e-3F; }
    }
    double const bound = 1.0 / std::sqrt(static_cast<double>(embedding_width));
    uniform(random(2), bound, 0, store.values(film_weight));
    uniform(random(3), bound, 0, store.values(film_bias));
    auto const scale = store.values(norm_weight);
    std::fill(scale.begin(), scale.end(), 1.0F);
    grow(store, 0, pool);
  }

  void grow(ParameterStore<float>& store, Index before, Index after) const {
    store.grow(keys_segment, after);
    store.grow(embedding, after);
    auto const keys = store.template view<2>(keys_segment).slice(before, after - before);
    uniform(random(4), 0.0625, before * keys.extent(1), keys.template reshaped<1>({keys.size()}));
    auto const rows = store.template view<2>(embedding).slice(before, after - before);
    for (Index i = 0; i < rows.size(); ++i) { rows.data()[i] = random(5).normal(static_cast<std::uint64_t>(before * rows.extent(1) + i)); }
  }
};

/// Rows made for the pictures of a batch, as a hook.
template <class Exec, class Prompt>
class GeneratedHook {
 public:
  using Memory = typename Exec::Memory;

  GeneratedHook(Exec const& exec, Prompt const& prompt, typename Prompt::State const& state)
      : exec_(exec), tokens_(state.place().tokens), end_(state.place().depth - (prompt.skip_last ? 1 : 0)), values_(state.parameters()), rows_(static_cast<std::size_t>(state.place().depth)) {
    modulate();
  }

  /// Takes the task of each picture.
  /// @param[in] chosen [B, 1]
  void take(MatrixView<Index const> chosen) { chosen_.assign(chosen.begin(), chosen.end()); }

  [[nodiscard]] Injects kind(Index block) const { return end_ == 0 && block == 0 ? Injects::nothing : Injects::tokens; }

  [[nodiscard]] TokenInjection tokens(Index block, TensorView<float const, 3> hidden) {
    if (block == end_) { return {{nullptr, {1, length(), hidden.extent(2)}}, tokens_, TokenInjection::How::remove}; }
    Shape<3> const shape{hidden.extent(0), length(), hidden.extent(2)};
    auto& rows = rows_[static_cast<std::size_t>(block)];
    if (!(rows.shape() == shape)) { rows = Tensor<float, 3, Memory>(shape); }
    with_host(hidden, [&](TensorView<float const, 3> x) {
      if constexpr (std::is_same_v<Memory, HostMemory>) {
        generate(block, x, rows.view());
      } else {
        Tensor<float, 3> made(shape);
        generate(block, x, made.view());
        kernels::upload(exec_, made.cview(), rows.view());
        exec_.wait();
      }
    });
    return {rows.cview(), tokens_, block == 0 ? TokenInjection::How::insert : TokenInjection::How::overwrite};
  }

 protected:
  [[nodiscard]] Index length() const { return values_.segment(Prompt::down_bias).shape[1]; }
  [[nodiscard]] ParameterStore<float> const& values() const { return values_; }
  [[nodiscard]] Exec const& exec() const { return exec_; }
  [[nodiscard]] Index slot(Index b) const { return chosen_[static_cast<std::size_t>(b)]; }
  [[nodiscard]] std::size_t batch() const { return chosen_.size(); }

  void set(ParameterStore<float> const& values) {
    values_ = values;
    modulate();
  }

  [[nodiscard]] FilmGenerator<float> generator(Index block) const {
    return FilmGenerator<float>({values_.template view<3>(Prompt::down_weight)[block], values_.template view<2>(Prompt::down_bias)[block], values_.template view<2>(Prompt::norm_weight)[block],
                                 values_.template view<2>(Prompt::norm_bias)[block]});
  }
  /// gamma and beta [D] of a task, of length 1, and what they were divided by.
  [[nodiscard]] VectorView<float const> gamma(Index block, Index slot) const { return modulation_.cview()[block][slot].slice(0, width()); }
  [[nodiscard]] VectorView<float const> beta(Index block, Index slot) const { return modulation_.cview()[block][slot].slice(width(), width()); }
  [[nodiscard]] double divisor(Index block, Index slot, Index part) const { return divisors_[static_cast<std::size_t>((block * slots() + slot) * 2 + part)]; }
  [[nodiscard]] Index width() const { return values_.segment(Prompt::keys_segment).shape[1]; }
  [[nodiscard]] Index slots() const { return values_.segment(Prompt::keys_segment).shape[0]; }

  template <class Use>
  void with_host(TensorView<float const, 3> there, Use const& use) const {
    if constexpr (std::is_same_v<Memory, HostMemory>) {
      use(there);
    } else {
      Tensor<float, 3> here(there.shape());
      kernels::download(exec_, there, here.view());
      use(here.cview());
    }
  }

 private:
  void generate(Index block, TensorView<float const, 3> x, TensorView<float, 3> rows) const {
    auto const film = generator(block);
    kernels::for_parts(exec_, x.extent(0), 1, [&](Exec const& /*part*/, Index first, Index count) {
      for (Index b = first; b < first + count; ++b) { film.forward(x[b], gamma(block, slot(b)), beta(block, slot(b)), rows[b]); }
    });
  }

  /// gamma and beta of every task in every block, each divided by its length.
  void modulate() {
    auto const weight = std::as_const(values_).template view<3>(Prompt::film_weight);
    auto const bias = std::as_const(values_).template view<2>(Prompt::film_bias);
    auto const tasks = std::as_const(values_).template view<2>(Prompt::embedding);
    modulation_ = Tensor<float, 3>({weight.extent(0), tasks.extent(0), weight.extent(1)});
    divisors_.clear();
    std::vector<double> row(static_cast<std::size_t>(weight.extent(1)));
    for (Index block = 0; block < weight.extent(0); ++block) {
      for (Index slot = 0; slot < tasks.extent(0); ++slot) {
        for (Index i = 0; i < weight.extent(1); ++i) {
          double sum = static_cast<double>(bias(block, i));
          for (Index e = 0; e < tasks.extent(1); ++e) { sum += static_cast<double>(weight(block, i, e)) * static_cast<double>(tasks(slot, e)); }
          row[static_cast<std::size_t>(i)] = sum;
        }
        for (Index part = 0; part < 2; ++part) {
          double squares = 0.0;
          for (Index i = part * width(); i < (part + 1) * width(); ++i) { squares += row[static_cast<std::size_t>(i)] * row[static_cast<std::size_t>(i)]; }
          divisors_.push_back(std::sqrt(squares));
          for (Index i = part * width(); i < (part + 1) * width(); ++i) { modulation_(block, slot, i) = static_cast<float>(row[static_cast<std::size_t>(i)] / divisors_.back()); }
        }
      }
    }
  }

  Exec exec_;
  Index tokens_;
  Index end_;  ///< blocks with rows
  ParameterStore<float> values_;
  std::vector<Tensor<float, 3, Memory>> rows_;  ///< [B, N, D] by block
  Tensor<float, 3> modulation_;                 ///< [blocks, M, 2 D]
  std::vector<double> divisors_;                ///< [blocks, M, 2]
  std::vector<Index> chosen_;
};

/// The same while it learns. The lengths that gamma and beta are divided by count as constants, as in the release.
template <class Exec, class Prompt>
class GeneratedLearningHook : public GeneratedHook<Exec, Prompt> {
  using Base = GeneratedHook<Exec, Prompt>;
  using State = typename Prompt::State;

 public:
  /// @param prompt  must outlive the hook
  GeneratedLearningHook(Exec const& exec, Prompt const& prompt, State const& state) : Base(exec, prompt, state), prompt_(prompt), task_(state.task()), gradients_(state.parameters()) { clear(); }

  void refresh(ParameterStore<float> const& values) { this->set(values); }

  /// All samples are of the task at hand.
  /// @param[in] queries [B, D] host memory
  void prepare(MatrixView<float const> queries, std::span<Index const> /*labels*/) {
    queries_ = Matrix<float>(queries.shape());
    std::copy(queries.begin(), queries.end(), queries_.begin());
    chosen_ = Matrix<Index>({queries.extent(0), 1});
    std::fill(chosen_.begin(), chosen_.end(), task_);
    this->take(chosen_.cview());
  }

  /// -pull * mean (or sum) over the batch of cos(query, key of the task), `weight` times; adds its gradient.
  [[nodiscard]] double own_loss(double weight) {
    auto const keys = this->values().template view<2>(Prompt::keys_segment);
    auto const near = key_similarity(this->exec(), queries_.cview(), keys);
    double const scale = prompt_.pull * weight / (prompt_.sum_pull ? 1.0 : static_cast<double>(queries_.extent(0)));
    return -scale * pull_keys(queries_.cview(), chosen_.cview(), near.cview(), keys, scale, gradients_.template view<2>(Prompt::keys_segment));
  }

  void tokens_gradient(Index block, TensorView<float const, 3> d_rows, TensorView<float const, 3> stream, TensorView<float, 3> d_stream) {
    this->with_host(d_rows, [&](TensorView<float const, 3> d) {
      this->with_host(stream, [&](TensorView<float const, 3> x) {
        if constexpr (std::is_same_v<typename Base::Memory, HostMemory>) {
          backward(block, d, x, block > 0 ? d_stream : TensorView<float, 3>());
        } else {
          Tensor<float, 3> below(d_stream.shape());
          kernels::download(this->exec(), TensorView<float const, 3>(d_stream), below.view());
          backward(block, d, x, below.view());
          kernels::upload(this->exec(), below.cview(), d_stream);
          this->exec().wait();
        }
      });
    });
  }

  /// Hands out the gradient of the step and begins the next one with zero.
  void collect(ParameterStore<float>& gradients) {
    std::copy(gradients_.values().begin(), gradients_.values().end(), gradients.values().begin());
    clear();
  }

  template <class Writer>
  void write(Writer const& /*writer*/) const {}
  template <class Reader>
  void read(Reader const& /*reader*/) const {}
  void finish(State& /*state*/) const {}

 private:
  void clear() { std::fill(gradients_.values().begin(), gradients_.values().end(), 0.0F); }

  /// Each sample adds to rows of its own, which are summed in their order afterwards, so that the sum does not depend on threads.
  void backward(Index block, TensorView<float const, 3> d_rows, TensorView<float const, 3> x, TensorView<float, 3> d_stream) {
    auto const& segment = this->values().segment(Prompt::down_weight);
    Index const rows = segment.shape[1];
    Index const tokens = segment.shape[2];
    Index const width = this->width();
    Index const each = rows * tokens + rows + 4 * width;
    auto parts = Matrix<float>::zeros({x.extent(0), each});
    auto const film = this->generator(block);
    kernels::for_parts(this->exec(), x.extent(0), 1, [&](Exec const& /*part*/, Index first, Index count) {
      for (Index b = first; b < first + count; ++b) {
        auto const place = parts.view()[b];
        Index const behind = rows * tokens + rows;
        film.backward(x[b], this->gamma(block, this->slot(b)), d_rows[b],
                      {place.slice(0, rows * tokens).template reshaped<2>({rows, tokens}), place.slice(rows * tokens, rows), place.slice(behind, width), place.slice(behind + width, width),
                       place.slice(behind + 2 * width, width), place.slice(behind + 3 * width, width)},
                      d_stream.empty() ? MatrixView<float>() : d_stream[b]);
      }
    });
    Vector<double> sums = Vector<double>::zeros({each});
    for (Index b = 0; b < parts.extent(0); ++b) {
      std::transform(sums.begin(), sums.end(), parts.cview()[b].begin(), sums.begin(), [](double sum, float value) { return sum + static_cast<double>(value); });
    }
    auto const add = [](VectorView<double const> from, VectorView<float> to) {
      std::transform(from.begin(), from.end(), to.begin(), to.begin(), [](double value, float sum) { return static_cast<float>(static_cast<double>(sum) + value); });
    };
    auto const all = sums.cview();
    Index const behind = rows * tokens + rows;
    add(all.slice(0, rows * tokens), gradients_.template view<3>(Prompt::down_weight)[block].template reshaped<1>({rows * tokens}));
    add(all.slice(rows * tokens, rows), gradients_.template view<2>(Prompt::down_bias)[block]);
    add(all.slice(behind, width), gradients_.template view<2>(Prompt::norm_weight)[block]);
    add(all.slice(behind + width, width), gradients_.template view<2>(Prompt::norm_bias)[block]);
    modulation_backward(block, all.slice(behind + 2 * width, 2 * width));
  }

  /// From gamma and beta of the task back to the modulation and the embedding.
  void modulation_backward(Index block, VectorView<double const> d_unit) {
    auto const weight = this->values().template view<3>(Prompt::film_weight);
    auto const task = this->values().template view<2>(Prompt::embedding)[task_];
    auto const d_weight = gradients_.template view<3>(Prompt::film_weight);
    auto const d_bias = gradients_.template view<2>(Prompt::film_bias);
    auto const d_task = gradients_.template view<2>(Prompt::embedding)[task_];
    for (Index e = 0; e < task.size(); ++e) {
      double sum = 0.0;
      for (Index i = 0; i < d_unit.size(); ++i) {
        double const d = d_unit[i] / this->divisor(block, task_, i / this->width());
        d_weight(block, i, e) += static_cast<float>(d * static_cast<double>(task[e]));
        sum += d * static_cast<double>(weight(block, i, e));
      }
      d_task[e] += static_cast<float>(sum);
    }
    for (Index i = 0; i < d_unit.size(); ++i) { d_bias(block, i) += static_cast<float>(d_unit[i] / this->divisor(block, task_, i / this->width())); }
  }

  Prompt const& prompt_;
  Index task_;
  ParameterStore<float> gradients_;
  Matrix<float> queries_;
  Matrix<Index> chosen_;
};

static_assert(LearnedPrompt<GeneratedPrompt<>>);

}  // namespace accrete
