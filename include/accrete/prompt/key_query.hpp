#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/metric/slot_usage.hpp>
#include <accrete/prompt/bundle.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/prompt/general.hpp>
#include <accrete/prompt/growth/pool.hpp>
#include <accrete/prompt/keys/class_means.hpp>
#include <accrete/prompt/keys/cosine.hpp>
#include <accrete/prompt/keys/learned.hpp>
#include <accrete/prompt/measures.hpp>
#include <accrete/prompt/placement/prefix.hpp>
#include <accrete/prompt/placement/tokens.hpp>
#include <accrete/prompt/query/feature.hpp>
#include <accrete/prompt/rows_init.hpp>
#include <accrete/prompt/scope/instance.hpp>
#include <accrete/prompt/select/task_slice.hpp>
#include <accrete/prompt/select/top_k.hpp>
#include <accrete/prompt/state.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

template <class Exec, class Prompt>
class KeyQueryLearningHook;

namespace detail {
template <class Placement>
inline constexpr bool mixes_batch = false;
template <class Placement>
  requires requires { Placement::batch_dependent; }
inline constexpr bool mixes_batch<Placement> = Placement::batch_dependent;
}  // namespace detail

/// A pool of prompts, each with a key: a picture gets those whose keys are most similar to its query.
/// Selection is not differentiable: prompts learn from the loss, keys from the pull towards queries alone.
/// @tparam PlacementType  where the rows of a prompt go          @tparam SelectorType  which slots a sample gets
/// @tparam KeysType       LearnedKeys, FrozenKeys or ClassMeanKeys   @tparam ScopeType     Instance, or BatchVote to reproduce published numbers
/// @tparam GrowthType     GrowingPool or FixedPool               @tparam GeneralType   NoGeneral, or rows that all samples share
/// @tparam QueryType      FeatureQuery, MeanTokenQuery or MaxTokenQuery: what a picture asks by
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654
template <class PlacementType, class SelectorType = TopK, class KeysType = LearnedKeys, class ScopeType = Instance, class GrowthType = GrowingPool, class GeneralType = NoGeneral,
          class QueryType = FeatureQuery>
struct KeyQueryPrompt {
  using Query = QueryType;
  using Placement = PlacementType;
  using Selector = SelectorType;
  using Keys = KeysType;
  using Scope = ScopeType;
  static_assert(PromptPlacement<Placement> && SlotSelector<Selector>);
  static_assert(!Keys::class_means || Selector::slots_of_tasks, "keys that are class means need a selector that gives each task slots of its own");

  static constexpr bool needs_query = true;
  static constexpr bool batch_dependent = Scope::batch_dependent || detail::mixes_batch<Placement>;
  static constexpr std::string_view role = "prompt";
  static constexpr std::string_view pool_segment = "prompt.pool";        ///< [M, rows of a prompt, D]
  static constexpr std::string_view keys_segment = "prompt.keys";        ///< [M, D]
  static constexpr std::string_view general_segment = "prompt.general";  ///< [rows, D]

  [[nodiscard]] static std::string composition() {
    std::string text = message("key-query<", Placement::name, ", ", Selector::name, ", ", Keys::name, ", ", Scope::name, ", ", GrowthType::name);
    if constexpr (!std::is_same_v<GeneralType, NoGeneral>) { text += message(", ", GeneralType::name); }
    if constexpr (!std::is_same_v<Query, FeatureQuery>) { text += message(", ", Query::name); }
    return text + ">";
  }

  Index pool = 10;  ///< M, slots at first
  Placement placement = {};
  Selector selector = {};
  Keys keys = {};
  GeneralType general = {};
  RowsInit initial = {};
  std::uint64_t seed = 1993;  ///< draws prompts and keys

  class State : public PromptState {
   public:
    [[nodiscard]] Index slots() const { return parameters_.contains(pool_segment) ? parameters_.segment(pool_segment).shape[0] : 0; }
    /// The last task begun; -1 before the first.
    [[nodiscard]] Index task() const { return task_; }
    /// How often each slot was chosen while a task was learned, task by task.
    [[nodiscard]] std::vector<std::vector<Index>> const& usage() const { return usage_; }

   private:
    friend struct KeyQueryPrompt;
    template <class Exec, class Prompt>
    friend class KeyQueryLearningHook;

    Index task_ = -1;
    std::vector<std::vector<Index>> usage_;
    QueryMeans means_;
  };

  void fit_place(State& state, PromptPlace const& place) const {
    state = {};
    state.place_ = place;
  }

  /// Makes the pool before the first task, and room for the slots of a task; says what of it learns.
  /// @throws ValueError  when a prompt does not fit the network, or a fixed pool has no room;  the state is unchanged then
  void begin_task(State& state, TaskInfo const& task) const {
    State next = state;
    if (next.parameters_.size() == 0) { make(next); }
    Index const before = next.slots();
    Index const after = GrowthType::slots(before, selector.needed(task.index), task.index);
    if (after > before) { grow(next, before, after); }
    next.task_ = task.index;
    if constexpr (Selector::slots_of_tasks) { begin_slice(next, task.index); }
    Index const first = Selector::slots_of_tasks ? selector.needed(task.index) - selector.per_sample() : 0;
    Index const count = Selector::slots_of_tasks ? selector.per_sample() : after;
    next.parameters_.train_rows(pool_segment, first, count);
    next.parameters_.train_rows(keys_segment, first, Keys::learns ? count : 0);
    next.before_ = next.parameters_;
    state = std::move(next);
  }

  /// Measures how far the task moved prompts and keys.
  void end_task(State& state, TaskInfo const& /*task*/) const {
    state.drift_.clear();
    if (state.before_.segments() == state.parameters_.segments()) {
      auto const& store = std::as_const(state).parameters_;
      auto const& before = std::as_const(state).before_;
      state.drift_.emplace_back("prompt change", relative_change<1>(before.values(pool_segment), store.values(pool_segment)));
      state.drift_.emplace_back("key drift", cosine_drift(before.template view<2>(keys_segment), store.template view<2>(keys_segment)));
      if constexpr (has_general) { state.drift_.emplace_back("general change", relative_change<1>(before.values(general_segment), store.values(general_segment))); }
    }
    state.before_ = {};
  }

  /// How the rows of a picture are spread over the network.
  /// @throws ValueError  when the network has no such block
  [[nodiscard]] BundlePlan plan(State const& state) const {
    BundlePlan all = general.plan(state.place_);
    BundlePlan const chosen = placement.plan(state.place_).repeated(selector.per_sample());
    Index const shared = all.rows;
    all.append(chosen.pieces, shared);
    all.rows += chosen.rows;
    all.at = chosen.at;
    all.read_rows = chosen.read_rows;
    return all;
  }
  [[nodiscard]] Index first_block(State const& state) const { return plan(state).first_block(); }
  [[nodiscard]] Index read_rows(State const& state) const { return plan(state).read_rows; }

  /// Cosines of queries with keys.
  /// @param[in] queries [B, D] host memory;  @returns [B, M]
  template <class Exec>
  [[nodiscard]] Matrix<double> similarity(Exec const& exec, ParameterStore<float> const& store, QueryMeans const& means, MatrixView<float const> queries) const {
    if constexpr (Keys::class_means) {
      Index const slots = store.segment(keys_segment).shape[0];
      auto near = Matrix<double>::zeros({queries.extent(0), slots});
      std::vector<double> by_task(static_cast<std::size_t>((slots + selector.per_sample() - 1) / selector.per_sample()));
      for (Index b = 0; b < near.extent(0); ++b) {
        means.nearest(queries[b], by_task);
        for (Index slot = 0; slot < slots; ++slot) { near(b, slot) = by_task[static_cast<std::size_t>(slot / selector.per_sample())]; }
      }
      return near;
    } else {
      return key_similarity(exec, queries, store.view<2>(keys_segment));
    }
  }

  /// The slots of each sample, by rank.
  /// @param[in] similarity [B, M];  @returns [B, k]
  [[nodiscard]] Matrix<Index> choose(MatrixView<double const> similarity, SlotContext const& context) const {
    Matrix<Index> chosen({similarity.extent(0), selector.per_sample()});
    for (Index b = 0; b < similarity.extent(0); ++b) {
      auto const row = similarity[b];
      auto const own = chosen.view()[b];
      selector.select({row.data(), static_cast<std::size_t>(row.size())}, context, {own.data(), static_cast<std::size_t>(own.size())});
    }
    if (!(Selector::slots_of_tasks && context.learning)) { Scope::agree(chosen.view(), similarity.extent(1)); }
    return chosen;
  }

  /// The slots that pictures get when they are judged.
  /// @param[in] queries [B, D] host memory;  @returns [B, k]
  template <class Exec>
  [[nodiscard]] Matrix<Index> chosen_slots(Exec const& exec, State const& state, MatrixView<float const> queries) const {
    return choose(similarity(exec, state.parameters_, state.means_, queries).cview(), {.task = state.task_, .learning = false, .usage = {}});
  }

  /// The slots of a task, where tasks have slots of their own.
  [[nodiscard]] Matrix<Index> slots_of(std::span<Index const> tasks) const requires Selector::slots_of_tasks {
    Matrix<Index> chosen({static_cast<Index>(tasks.size()), selector.per_sample()});
    for (Index b = 0; b < chosen.extent(0); ++b) {
      for (Index j = 0; j < chosen.extent(1); ++j) { chosen(b, j) = tasks[static_cast<std::size_t>(b)] * selector.per_sample() + j; }
    }
    return chosen;
  }

  /// @param[in] queries [B, D] host memory, of the pictures that the hook is for
  template <class Exec>
  [[nodiscard]] BundleHook<Exec> hook(Exec const& exec, State const& state, MatrixView<float const> queries) const {
    return hook_of(exec, state, chosen_slots(exec, state, queries).cview());
  }
  /// The same with slots that are given.
  /// @param[in] chosen [B, k]
  template <class Exec>
  [[nodiscard]] BundleHook<Exec> hook_of(Exec const& exec, State const& state, MatrixView<Index const> chosen) const {
    BundleHook<Exec> hook(exec, plan(state));
    hook.place(gathered(state.parameters_, chosen, hook.plan().rows).cview());
    return hook;
  }
  template <class Exec>
  [[nodiscard]] KeyQueryLearningHook<Exec, KeyQueryPrompt> learning_hook(Exec const& exec, State const& state) const {
    return {exec, *this, state};
  }

  /// What the learning of the tasks so far says of the pool: how evenly it was used, by whom, and how far the last task moved it.
  [[nodiscard]] Measures measures(State const& state) const {
    Measures all = state.drift_;
    SlotUsage used(state.slots(), std::max<Index>(1, static_cast<Index>(state.usage_.size())));
    for (std::size_t task = 0; task < state.usage_.size(); ++task) {
      for (std::size_t slot = 0; slot < state.usage_[task].size(); ++slot) { used.add(static_cast<Index>(slot), static_cast<Index>(task), state.usage_[task][slot]); }
    }
    all.emplace_back("slots", static_cast<double>(state.slots()));
    all.emplace_back("training usage entropy", used.entropy());
    all.emplace_back("training slots used", static_cast<double>(used.used_slots()));
    all.emplace_back("training slot-task information", used.information());
    auto const rows = state.parameters_.template view<3>(pool_segment);
    all.emplace_back("row diversity", row_diversity(rows.template reshaped<2>({rows.extent(0) * rows.extent(1), rows.extent(2)})));
    return all;
  }

  template <class Writer>
  void write(State const& state, Writer const& writer) const {
    state.write(writer);
    writer.setting("task", state.task_);
    writer.setting("usage_tasks", static_cast<Index>(state.usage_.size()));
    for (std::size_t task = 0; task < state.usage_.size(); ++task) {
      Vector<Index> counts({static_cast<Index>(state.usage_[task].size())});
      std::copy(state.usage_[task].begin(), state.usage_[task].end(), counts.begin());
      writer.tensor(message("usage.", task), std::move(counts));
    }
    if constexpr (Keys::class_means) { state.means_.write(writer.scope("means")); }
  }
  /// @throws FileError  when something is missing or does not fit
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    fresh.read(reader);
    fresh.task_ = reader.template setting<Index>("task");
    auto const tasks = reader.template setting<Index>("usage_tasks");
    for (Index task = 0; task < tasks; ++task) {
      auto const counts = reader.template tensor<Index, 1>(message("usage.", task));
      fresh.usage_.emplace_back(counts.begin(), counts.end());
    }
    if constexpr (Keys::class_means) { fresh.means_ = QueryMeans::read(reader.scope("means"), fresh.place_.width); }
    if (fresh.parameters_.size() > 0) { check_read(fresh, reader.path().string()); }
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<KeyQueryPrompt>> settings() {
    std::vector<Setting<KeyQueryPrompt>> all{number_setting("pool", "prompts at first", &KeyQueryPrompt::pool, Index{1}, Index{1000000}),
                                             number_setting("prompt-seed", "draws prompts and keys", &KeyQueryPrompt::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max())};
    auto const add = [&](auto member, auto const& part) {
      for (auto& setting : part_settings(member, settings_of(part))) { all.push_back(std::move(setting)); }
    };
    add(&KeyQueryPrompt::placement, Placement{});
    add(&KeyQueryPrompt::selector, Selector{});
    add(&KeyQueryPrompt::keys, Keys{});
    add(&KeyQueryPrompt::general, GeneralType{});
    add(&KeyQueryPrompt::initial, RowsInit{});
    return all;
  }

 private:
  template <class Exec, class Prompt>
  friend class KeyQueryLearningHook;

  static constexpr bool has_general = !std::is_same_v<GeneralType, NoGeneral>;

  [[nodiscard]] Rng random(std::uint64_t object) const { return Rng({.seed = seed, .purpose = Purpose::initialisation, .object = object}); }

  void make(State& state) const {
    Index const rows = placement.plan(state.place_).rows;
    Index const shared = general.plan(state.place_).rows;
    if (pool < selector.per_sample()) { fail<ValueError>("KeyQueryPrompt", "a picture gets ", selector.per_sample(), " prompts of a pool of ", pool); }
    state.parameters_.add({.name = std::string(pool_segment), .shape = {0, rows, state.place_.width}, .role = std::string(role)});
    state.parameters_.add({.name = std::string(keys_segment), .shape = {0, state.place_.width}, .role = std::string(role)});
    if (shared > 0) {
      state.parameters_.add({.name = std::string(general_segment), .shape = {shared, state.place_.width}, .role = std::string(role), .trainable_rows = shared});
      initial.fill(random(3), 0, state.parameters_.template view<2>(general_segment));
    }
    grow(state, 0, pool);
  }

  void grow(State& state, Index before, Index after) const {
    state.parameters_.grow(pool_segment, after);
    state.parameters_.grow(keys_segment, after);
    auto const rows = state.parameters_.template view<3>(pool_segment).slice(before, after - before);
    initial.fill(random(1), before, rows.template reshaped<2>({rows.extent(0), rows.extent(1) * rows.extent(2)}));
    initial.fill(random(2), before, state.parameters_.template view<2>(keys_segment).slice(before, after - before));
  }

  void begin_slice(State& state, Index task) const {
    Index const first = task * selector.per_sample();
    if (first == 0) { return; }
    auto const copy = [&](auto all) {
      Index const each = all.size() / all.extent(0);
      std::copy_n(all.data() + (first - selector.per_sample()) * each, selector.per_sample() * each, all.data() + first * each);
    };
    if (selector.copy_prompts) { copy(state.parameters_.template view<3>(pool_segment)); }
    if (selector.copy_keys) { copy(state.parameters_.template view<2>(keys_segment)); }
  }

  /// The bundle of a batch: what all share, then the chosen prompts by rank.
  /// @param[in] chosen [B, k];  @param[in] rows  R
  [[nodiscard]] static Tensor<float, 3> gathered(ParameterStore<float> const& store, MatrixView<Index const> chosen, Index rows) {
    auto const pool = store.view<3>(pool_segment);
    Index const each = pool.extent(1) * pool.extent(2);
    Tensor<float, 3> bundle({chosen.extent(0), rows, pool.extent(2)});
    Index const shared = (rows - chosen.extent(1) * pool.extent(1)) * pool.extent(2);
    for (Index b = 0; b < chosen.extent(0); ++b) {
      float* to = bundle.data() + b * rows * pool.extent(2);
      if constexpr (has_general) { std::copy_n(store.view<2>(general_segment).data(), shared, to); }
      to += shared;
      for (Index const slot : chosen[b]) { to = std::copy_n(pool.data() + slot * each, each, to); }
    }
    return bundle;
  }

  /// Adds what flowed back to a bundle to the slots it was gathered from.
  static void scatter(TensorView<float const, 3> d_bundle, MatrixView<Index const> chosen, ParameterStore<float>& gradients) {
    auto const pool = gradients.view<3>(pool_segment);
    Index const each = pool.extent(1) * pool.extent(2);
    Index const shared = d_bundle.extent(1) * d_bundle.extent(2) - chosen.extent(1) * each;
    auto const add = [](float const* from, Index count, float* to) { std::transform(from, from + count, to, to, [](float value, float sum) { return sum + value; }); };
    for (Index b = 0; b < chosen.extent(0); ++b) {
      float const* from = d_bundle.data() + b * d_bundle.extent(1) * d_bundle.extent(2);
      if constexpr (has_general) { add(from, shared, gradients.view<2>(general_segment).data()); }
      from += shared;
      for (Index const slot : chosen[b]) {
        add(from, each, pool.data() + slot * each);
        from += each;
      }
    }
  }

  void check_read(State const& state, std::string const& file) const {
    auto const& store = state.parameters_;
    bool fits = store.contains(pool_segment) && store.contains(keys_segment) && store.contains(general_segment) == has_general;
    fits = fits && store.segment(pool_segment).shape == std::vector<Index>{state.slots(), placement.plan(state.place_).rows, state.place_.width};
    fits = fits && store.segment(keys_segment).shape == std::vector<Index>{state.slots(), state.place_.width};
    fits = fits && state.task_ >= 0 && state.slots() >= selector.needed(state.task_);
    fits = fits && (!has_general || store.segment(general_segment).shape == std::vector<Index>{general.plan(state.place_).rows, state.place_.width});
    for (auto const& counts : state.usage_) { fits = fits && static_cast<Index>(counts.size()) <= state.slots(); }
    if (!fits) { fail<FileError>(file, "holds a pool of prompts that does not fit its settings"); }
  }
};

/// General prompts that every picture gets and expert prompts of the tasks, of which a picture gets those of the task it looks like.
/// @source Wang et al., "DualPrompt", ECCV 2022, arXiv:2204.04799
template <class KeysType = LearnedKeys, class ScopeType = Instance, class GrowthType = GrowingPool, class PlacementType = Prefix>
using GeneralExpertPrompt = KeyQueryPrompt<PlacementType, TaskSlice, KeysType, ScopeType, GrowthType, General<Prefix>>;

/// A pool while it learns.
template <class Exec, class Prompt>
class KeyQueryLearningHook : public LearningBundleHook<Exec> {
  using Base = LearningBundleHook<Exec>;
  using State = typename Prompt::State;

 public:
  /// @param prompt  must outlive the hook
  KeyQueryLearningHook(Exec const& exec, Prompt const& prompt, State const& state)
      : Base(exec, prompt.plan(state)),
        prompt_(prompt),
        values_(state.parameters()),
        gradients_(zeros_like(values_)),
        task_(state.task()),
        earlier_(static_cast<std::size_t>(state.slots()), 0.0),
        used_(earlier_.size(), 0),
        means_(state.means_) {
    for (auto const& counts : state.usage()) {
      std::transform(counts.begin(), counts.end(), earlier_.begin(), earlier_.begin(), [](Index count, double sum) { return sum + static_cast<double>(count); });
    }
  }

  void refresh(ParameterStore<float> const& values) { values_ = values; }

  /// Chooses for a batch.
  /// @param[in] queries [B, D] host memory;  @param[in] labels [B] columns
  void prepare(MatrixView<float const> queries, std::span<Index const> labels) {
    scatter();
    queries_ = Matrix<float>(queries.shape());
    std::copy(queries.begin(), queries.end(), queries_.begin());
    if constexpr (Prompt::Keys::class_means) {
      for (Index b = 0; b < queries.extent(0); ++b) { means_.add(labels[static_cast<std::size_t>(b)], task_, queries[b]); }
    }
    similarity_ = prompt_.similarity(this->exec(), values_, means_, queries);
    chosen_ = prompt_.choose(similarity_.cview(), {.task = task_, .learning = true, .usage = earlier_});
    for (Index const slot : chosen_) { ++used_[static_cast<std::size_t>(slot)]; }
    this->place(Prompt::gathered(values_, chosen_.cview(), this->plan().rows).cview(), queries.extent(0));
  }

  /// The prompt's own part of the loss, `weight` times; adds its gradient.
  [[nodiscard]] double own_loss(double weight) {
    if constexpr (Prompt::Keys::learns) {
      double const scale = prompt_.keys.pull / static_cast<double>(queries_.extent(0));
      auto const keys = std::as_const(values_).template view<2>(Prompt::keys_segment);
      return -scale * weight * pull_keys(queries_.cview(), chosen_.cview(), similarity_.cview(), keys, scale * weight, gradients_.template view<2>(Prompt::keys_segment));
    } else {
      return 0.0;
    }
  }

  /// Hands out the gradient of the step and begins the next one with zero.
  void collect(ParameterStore<float>& gradients) {
    scatter();
    std::copy(gradients_.values().begin(), gradients_.values().end(), gradients.values().begin());
    std::fill(gradients_.values().begin(), gradients_.values().end(), 0.0F);
  }

  /// What was counted on the way, beside the parameters.
  template <class Writer>
  void write(Writer const& writer) const {
    Vector<Index> used({static_cast<Index>(used_.size())});
    std::copy(used_.begin(), used_.end(), used.begin());
    writer.tensor("used", std::move(used));
    means_.write(writer.scope("means"));
  }
  template <class Reader>
  void read(Reader const& reader) {
    auto const used = reader.template tensor<Index, 1>("used", {static_cast<Index>(used_.size())});
    means_ = QueryMeans::read(reader.scope("means"), values_.segment(Prompt::keys_segment).shape[1]);
    std::copy(used.begin(), used.end(), used_.begin());
  }
  /// Hands it over.
  void finish(State& state) const {
    state.usage_.resize(static_cast<std::size_t>(task_) + 1);
    state.usage_.back() = used_;
    state.means_ = means_;
  }

 private:
  static ParameterStore<float> zeros_like(ParameterStore<float> store) {
    std::fill(store.values().begin(), store.values().end(), 0.0F);
    return store;
  }

  /// Adds what the last batch left, before the next one takes its place.
  void scatter() {
    if (!chosen_.empty()) { Prompt::scatter(this->gradient(), chosen_.cview(), gradients_); }
    chosen_ = {};
  }

  Prompt const& prompt_;
  ParameterStore<float> values_;
  ParameterStore<float> gradients_;
  Index task_;
  std::vector<double> earlier_;  ///< choices of earlier tasks, by slot
  std::vector<Index> used_;      ///< of this one
  QueryMeans means_;
  Matrix<float> queries_;
  Matrix<double> similarity_;
  Matrix<Index> chosen_;
};

static_assert(LearnedPrompt<KeyQueryPrompt<InputTokens<ReadsPrompt>>> && LearnedPrompt<GeneralExpertPrompt<>>);

}  // namespace accrete
