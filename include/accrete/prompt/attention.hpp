#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/metric/slot_usage.hpp>
#include <accrete/prompt/bundle.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/prompt/measures.hpp>
#include <accrete/prompt/orthogonal_rows.hpp>
#include <accrete/prompt/placement/prefix.hpp>
#include <accrete/prompt/state.hpp>
#include <accrete/prompt/weight/concept.hpp>
#include <accrete/prompt/weight/cosine.hpp>
#include <accrete/prompt/weighted_components.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

template <class Exec, class Prompt>
class AttentionLearningHook;

/// How the components of a task begin: in random directions,
///   exact, classical  orthogonal to those of earlier tasks as these are by then, as `GramSchmidt` says
///   at_once           orthogonal to those of earlier tasks as these began, as if all had been drawn before the first task, however many tasks there will be
enum class ComponentStart { exact, classical, at_once };

/// Prompts put together for every picture out of components, by how similar the picture's query is to their keys once an attention has weighed its features:
///   a_m = cos(q * A_m, K_m),   P = sum over m of w_m P_m,   w = the weight map of a
/// in each of some blocks. A task adds components; earlier ones stand still.
/// @tparam WeightMapType  WeightMap: CosineWeights as published, or a map onto the simplex, which may leave components out
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218, Eqs. 4-7
template <class WeightMapType = CosineWeights>
struct AttentionPrompt {
  using Weights = WeightMapType;
  static_assert(WeightMap<Weights>);

  static constexpr bool needs_query = true;
  static constexpr bool batch_dependent = false;
  static constexpr std::string_view role = "prompt";
  static constexpr std::string_view components_segment = "prompt.components";  ///< [M, blocks, 2 length, D]: keys of the prefix, then its values
  static constexpr std::string_view keys_segment = "prompt.keys";              ///< [M, blocks, D]
  static constexpr std::string_view attention_segment = "prompt.attention";    ///< [M, blocks, D]

  [[nodiscard]] static std::string composition() { return message("attention<", Weights::name, ">"); }

  Index per_task = 10;  ///< components that a task adds
  Prefix placement = {.length = 4, .first = 0, .blocks = 5};
  Weights weights = {};
  double orthogonality = 0.0;  ///< weight of the term that keeps components, keys and attentions apart
  ComponentStart start = ComponentStart::exact;
  std::uint64_t seed = 1993;  ///< draws the rows

  class State : public PromptState {
   public:
    [[nodiscard]] Index components() const { return parameters_.contains(keys_segment) ? parameters_.segment(keys_segment).shape[0] : 0; }

   private:
    friend struct AttentionPrompt;
  };

  void fit_place(State& state, PromptPlace const& place) const {
    state = {};
    state.place_ = place;
  }

  /// Adds the components of a task, in directions of their own; they alone learn.
  /// @throws ValueError  when the blocks are not in the network or nothing would learn;  the state is unchanged then
  void begin_task(State& state, TaskInfo const& task) const {
    if (per_task < 1) { fail<ValueError>("AttentionPrompt", "a task must add at least one component (came: ", per_task, ")"); }
    State next = state;
    Index const rows = placement.plan(state.place_).rows / placement.blocks;
    if (next.parameters_.size() == 0) {
      auto const add = [&](std::string_view name, std::vector<Index> shape) { next.parameters_.add({.name = std::string(name), .shape = std::move(shape), .role = std::string(role)}); };
      add(components_segment, {0, placement.blocks, rows, state.place_.width});
      add(keys_segment, {0, placement.blocks, state.place_.width});
      add(attention_segment, {0, placement.blocks, state.place_.width});
    }
    Index const before = state.components();
    std::uint64_t object = 1;
    for (std::string_view const name : {components_segment, keys_segment, attention_segment}) {
      next.parameters_.grow(name, before + per_task);
      next.parameters_.train_rows(name, before, per_task);
      for (Index block = 0; block < placement.blocks; ++block) {
        auto all = block_rows(next.parameters_, name, block);
        draw_rows(all.view(), before, static_cast<std::uint32_t>(task.index), object++);
        put_block_rows(all.cview(), before, next.parameters_, name, block);
      }
    }
    next.before_ = next.parameters_;
    state = std::move(next);
  }

  /// Measures how far the task moved its components and keys.
  void end_task(State& state, TaskInfo const& /*task*/) const {
    state.drift_.clear();
    if (state.before_.segments() == state.parameters_.segments()) {
      auto const moved = [&](std::string_view name) {
        ParameterSpan span;
        for (ParameterSpan const& known : state.parameters_.trainable()) {
          if (state.parameters_.segments()[static_cast<std::size_t>(known.segment)].name == name) { span = known; }
        }
        return relative_change<1>(std::as_const(state).before_.view(span), std::as_const(state).parameters_.view(span));
      };
      state.drift_ = {{"prompt change", moved(components_segment)}, {"key change", moved(keys_segment)}, {"attention change", moved(attention_segment)}};
    }
    state.before_ = {};
  }

  /// @throws ValueError  when the network has no such block
  [[nodiscard]] BundlePlan plan(State const& state) const { return placement.plan(state.place_); }
  [[nodiscard]] Index first_block(State const& state) const { return plan(state).first_block(); }
  [[nodiscard]] Index read_rows(State const& /*state*/) const { return 0; }

  /// @param[in] queries [B, D] host memory, of the pictures that the hook is for
  template <class Exec>
  [[nodiscard]] BundleHook<Exec> hook(Exec const& exec, State const& state, MatrixView<float const> queries) const {
    BundleHook<Exec> hook(exec, plan(state));
    Tensor<float, 3> bundle({queries.extent(0), hook.plan().rows, queries.extent(1)});
    for (Index block = 0; block < placement.blocks; ++block) {
      WeightedComponents<float> parts(keys_of(state.parameters_, block), attention_of(state.parameters_, block));
      parts.weigh(exec, weights, queries);
      put_block(combined(exec, parts, state.parameters_, block).cview(), block, bundle);
    }
    hook.place(bundle.cview());
    return hook;
  }
  template <class Exec>
  [[nodiscard]] AttentionLearningHook<Exec, AttentionPrompt> learning_hook(Exec const& exec, State const& state) const {
    return {exec, *this, state};
  }

  /// The weights of every component for every picture in one of the blocks.
  /// @param[in] queries [B, D] host memory;  @returns [B, M]
  template <class Exec>
  [[nodiscard]] Matrix<float> component_weights(Exec const& exec, State const& state, MatrixView<float const> queries, Index block) const {
    WeightedComponents<float> parts(keys_of(state.parameters_, block), attention_of(state.parameters_, block));
    parts.weigh(exec, weights, queries);
    Matrix<float> all(parts.weights().shape());
    std::copy(parts.weights().begin(), parts.weights().end(), all.begin());
    return all;
  }

  /// How many components there are, and how far the last task moved its own.
  [[nodiscard]] Measures measures(State const& state) const {
    Measures all = state.drift_;
    all.emplace_back("components", static_cast<double>(state.components()));
    return all;
  }

  template <class Writer>
  void write(State const& state, Writer const& writer) const {
    state.write(writer);
  }
  /// @throws FileError  when something is missing or does not fit
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    fresh.read(reader);
    auto const& store = fresh.parameters_;
    if (store.size() > 0) {
      auto const shape = [&](std::string_view name) { return store.contains(name) ? store.segment(name).shape : std::vector<Index>{}; };
      Index const components = shape(keys_segment).empty() ? 0 : shape(keys_segment)[0];
      Index const rows = placement.plan(fresh.place_).rows / placement.blocks;
      std::vector<Index> const vectors{components, placement.blocks, fresh.place_.width};
      bool const fits =
          shape(components_segment) == std::vector<Index>{components, placement.blocks, rows, fresh.place_.width} && shape(keys_segment) == vectors && shape(attention_segment) == vectors;
      if (!fits) { fail<FileError>(reader.path().string(), "holds components of prompts that do not fit their settings"); }
    }
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<AttentionPrompt>> settings() {
    std::vector<Setting<AttentionPrompt>> all{
        number_setting("components", "components that a task adds", &AttentionPrompt::per_task, Index{1}, Index{1000000}),
        number_setting("orthogonality", "weight of the term that keeps components apart", &AttentionPrompt::orthogonality, 0.0, 1e6),
        choice_setting("prompt-start", "what new components are orthogonal to: exact or classical, the old ones as they are; at-once, those as they began", &AttentionPrompt::start,
                       std::vector<std::pair<std::string, ComponentStart>>{{"exact", ComponentStart::exact}, {"classical", ComponentStart::classical}, {"at-once", ComponentStart::at_once}}),
        number_setting("prompt-seed", "draws the components", &AttentionPrompt::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max())};
    for (auto& setting : part_settings(&AttentionPrompt::placement, Prefix::settings())) { all.push_back(std::move(setting)); }
    for (auto& setting : part_settings(&AttentionPrompt::weights, settings_of(Weights{}))) { all.push_back(std::move(setting)); }
    return all;
  }

 private:
  template <class Exec, class Prompt>
  friend class AttentionLearningHook;

  /// Makes the rows from `before` on those of a task.
  /// @param object  which block of which segment
  void draw_rows(MatrixView<float> rows, Index before, std::uint32_t task, std::uint64_t object) const {
    auto const random = [&](std::uint32_t of_task) { return Rng({.seed = seed, .purpose = Purpose::initialisation, .task = of_task, .object = object}); };
    if (start != ComponentStart::at_once) { return draw_orthogonal_rows(rows, before, per_task, random(task), start == ComponentStart::exact ? GramSchmidt::exact : GramSchmidt::classical); }
    auto all = Matrix<float>::zeros(rows.shape());
    for (Index first = 0; first <= before; first += per_task) { draw_orthogonal_rows(all.view(), first, per_task, random(static_cast<std::uint32_t>(first / per_task))); }
    std::copy_n(all.view()[before].data(), per_task * rows.extent(1), rows[before].data());
  }

  /// The rows [M, n] of one block out of a segment [M, blocks, ...].
  [[nodiscard]] static Matrix<float> block_rows(ParameterStore<float> const& store, std::string_view name, Index block) {
    auto const& shape = store.segment(name).shape;
    Index each = 1;
    for (std::size_t axis = 2; axis < shape.size(); ++axis) { each *= shape[axis]; }
    Matrix<float> rows({shape[0], each});
    float const* const from = store.values().data() + store.offset(name);
    for (Index m = 0; m < shape[0]; ++m) { std::copy_n(from + (m * shape[1] + block) * each, each, rows.view()[m].data()); }
    return rows;
  }
  /// Puts those from `first` on back.
  static void put_block_rows(MatrixView<float const> rows, Index first, ParameterStore<float>& store, std::string_view name, Index block) {
    Index const blocks = store.segment(name).shape[1];
    float* const to = store.values().data() + store.offset(name);
    for (Index m = first; m < rows.extent(0); ++m) { std::copy_n(rows[m].data(), rows.extent(1), to + (m * blocks + block) * rows.extent(1)); }
  }
  [[nodiscard]] static Matrix<float> keys_of(ParameterStore<float> const& store, Index block) { return block_rows(store, keys_segment, block); }
  [[nodiscard]] static Matrix<float> attention_of(ParameterStore<float> const& store, Index block) { return block_rows(store, attention_segment, block); }

  /// The prompts [B, n] of one block.
  template <class Exec>
  [[nodiscard]] static Matrix<float> combined(Exec const& exec, WeightedComponents<float> const& parts, ParameterStore<float> const& store, Index block) {
    auto const components = block_rows(store, components_segment, block);
    return parts.combine(exec, components.cview());
  }
  /// Puts the prompts of one block into the bundle.
  static void put_block(MatrixView<float const> prompts, Index block, Tensor<float, 3>& bundle) {
    Index const whole = bundle.extent(1) * bundle.extent(2);
    for (Index b = 0; b < prompts.extent(0); ++b) { std::copy_n(prompts[b].data(), prompts.extent(1), bundle.data() + b * whole + block * prompts.extent(1)); }
  }
};

/// Components while they learn.
template <class Exec, class Prompt>
class AttentionLearningHook : public LearningBundleHook<Exec> {
  using Base = LearningBundleHook<Exec>;
  using State = typename Prompt::State;

 public:
  /// @param prompt  must outlive the hook
  AttentionLearningHook(Exec const& exec, Prompt const& prompt, State const& state) : Base(exec, prompt.plan(state)), prompt_(prompt), gradients_(state.parameters()) {
    std::fill(gradients_.values().begin(), gradients_.values().end(), 0.0F);
    auto const& segment = state.parameters().segment(Prompt::keys_segment);
    first_ = segment.first_trainable;
    count_ = segment.trainable_rows;
    refresh(state.parameters());
  }

  void refresh(ParameterStore<float> const& values) {
    blocks_.clear();
    components_.clear();
    for (Index block = 0; block < prompt_.placement.blocks; ++block) {
      blocks_.emplace_back(Prompt::keys_of(values, block), Prompt::attention_of(values, block));
      components_.push_back(Prompt::block_rows(values, Prompt::components_segment, block));
    }
  }

  /// Puts the prompts of a batch together.
  /// @param[in] queries [B, D] host memory
  void prepare(MatrixView<float const> queries, std::span<Index const> /*labels*/) {
    take_back();
    Tensor<float, 3> bundle({queries.extent(0), this->plan().rows, queries.extent(1)});
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i].weigh(this->exec(), prompt_.weights, queries);
      Prompt::put_block(blocks_[i].combine(this->exec(), components_[i].cview()).cview(), static_cast<Index>(i), bundle);
    }
    this->place(bundle.cview(), queries.extent(0));
    pending_ = true;
  }

  /// orthogonality * sum over blocks of o(components) + o(keys) + o(attentions), `weight` times; adds its gradient.
  [[nodiscard]] double own_loss(double weight) {
    if (prompt_.orthogonality == 0.0) { return 0.0; }
    double loss = 0.0;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      auto const part = [&](std::string_view name, MatrixView<float const> rows) {
        auto d = Matrix<double>::zeros({count_, rows.extent(1)});
        loss += prompt_.orthogonality * weight * row_coherence<float>(this->exec(), rows, first_, prompt_.orthogonality * weight, d.view());
        add(name, static_cast<Index>(i), d.cview());
      };
      part(Prompt::components_segment, components_[i].cview());
      part(Prompt::keys_segment, blocks_[i].keys());
      part(Prompt::attention_segment, blocks_[i].attention());
    }
    return loss;
  }

  /// Hands out the gradient of the step and begins the next one with zero.
  void collect(ParameterStore<float>& gradients) {
    take_back();
    std::copy(gradients_.values().begin(), gradients_.values().end(), gradients.values().begin());
    std::fill(gradients_.values().begin(), gradients_.values().end(), 0.0F);
  }

  template <class Writer>
  void write(Writer const& /*writer*/) const {}
  template <class Reader>
  void read(Reader const& /*reader*/) const {}
  void finish(State& /*state*/) const {}

 private:
  /// Adds what the last batch left, before the next one takes its place.
  void take_back() {
    if (!pending_) { return; }
    pending_ = false;
    auto const d_bundle = this->gradient();
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      Index const each = components_[i].extent(1);
      Matrix<float> d_prompts({d_bundle.extent(0), each});
      for (Index b = 0; b < d_prompts.extent(0); ++b) { std::copy_n(d_bundle.data() + b * d_bundle.extent(1) * d_bundle.extent(2) + static_cast<Index>(i) * each, each, d_prompts.view()[b].data()); }
      auto const d = blocks_[i].backward(this->exec(), prompt_.weights, components_[i].cview(), d_prompts.cview(), first_, count_);
      add(Prompt::components_segment, static_cast<Index>(i), d.components.cview());
      add(Prompt::keys_segment, static_cast<Index>(i), d.keys.cview());
      add(Prompt::attention_segment, static_cast<Index>(i), d.attention.cview());
    }
  }

  /// Adds to the rows that learn of one block.
  void add(std::string_view name, Index block, MatrixView<double const> d) {
    Index const blocks = gradients_.segment(name).shape[1];
    float* const to = gradients_.values().data() + gradients_.offset(name);
    for (Index m = 0; m < d.extent(0); ++m) {
      float* const row = to + ((first_ + m) * blocks + block) * d.extent(1);
      for (Index i = 0; i < d.extent(1); ++i) { row[i] += static_cast<float>(d(m, i)); }
    }
  }

  Prompt const& prompt_;
  ParameterStore<float> gradients_;
  Index first_ = 0;  ///< components that learn
  Index count_ = 0;
  std::vector<WeightedComponents<float>> blocks_;
  std::vector<Matrix<float>> components_;  ///< [M, n] by block
  bool pending_ = false;
};

static_assert(LearnedPrompt<AttentionPrompt<>>);

}  // namespace accrete
