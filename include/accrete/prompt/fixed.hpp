#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/concept.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Rows that are inserted once before the first block and carried through all.
struct Shallow {
  static constexpr std::string_view name = "vpt-shallow";
  [[nodiscard]] static constexpr Index layers(Index /*depth*/) { return 1; }
};

/// Rows of its own for every block, whose outputs are dropped: those of the next block overwrite them.
struct Deep {
  static constexpr std::string_view name = "vpt-deep";
  [[nodiscard]] static constexpr Index layers(Index depth) { return depth; }
};

/// How the rows of a prompt begin.
///   zeros   as the toolboxes do. All rows of a block then have equal gradients and stay bit for bit the same for ever.
///   xavier  U(-a, a), a = sqrt(6 / (patch inputs + D)), as the VPT paper
///   width   U(-a, a), a = 1 / sqrt D, as ESN
enum class PromptInit { zeros, xavier, width };

/// Which tasks move the rows of a prompt, in a learner all of whose tasks learn.
enum class PromptLearns { every_task, first_task };

/// The rows [layers, L, D] of a fixed prompt in an executor's memory, as a hook.
template <class Exec>
class FixedPromptHook {
 public:
  /// @param[in] rows [layers, L, D] host memory;  @param[in] at  where in the sequence they begin
  FixedPromptHook(Exec const& exec, TensorView<float const, 3> rows, Index at) : exec_(exec), at_(at), rows_(rows.shape()) { kernels::upload(exec_, rows, rows_.view()); }

  [[nodiscard]] Injects kind(Index block) const { return block < rows_.extent(0) ? Injects::tokens : Injects::nothing; }
  [[nodiscard]] TokenInjection tokens(Index block) const { return {rows_.cview().slice(block, 1), at_, block == 0 ? TokenInjection::How::insert : TokenInjection::How::overwrite}; }

 protected:
  Exec exec_;
  Index at_;
  Tensor<float, 3, typename Exec::Memory> rows_;
};

/// The same while it learns.
template <class Exec>
class FixedPromptLearningHook : public FixedPromptHook<Exec> {
  using Base = FixedPromptHook<Exec>;

 public:
  /// @param learns  whether anybody wants the gradient
  FixedPromptLearningHook(Exec const& exec, TensorView<float const, 3> rows, Index at, std::string_view segment, bool learns = true)
      : Base(exec, rows, at), segment_(segment), learns_(learns), gradients_(Tensor<float, 3, typename Exec::Memory>(rows.shape())) {
    clear();
  }

  [[nodiscard]] bool learns() const { return learns_; }

  void refresh(ParameterStore<float> const& values) { kernels::upload(this->exec_, values.template view<3>(segment_), this->rows_.view()); }

  /// @param[in] d_rows [B, L, D] in the executor's memory: of each sequence
  void tokens_gradient(Index block, TensorView<float const, 3> d_rows) { kernels::sum_tokens(this->exec_, d_rows, 0, gradients_.view()[block]); }

  /// Hands out the gradient of the step and begins the next one with zero.
  void collect(ParameterStore<float>& gradients) {
    kernels::download(this->exec_, gradients_.cview(), gradients.template view<3>(segment_));
    clear();
  }

 private:
  void clear() { kernels::upload(this->exec_, Tensor<float, 3>::zeros(gradients_.shape()).cview(), gradients_.view()); }

  std::string_view segment_;
  bool learns_;
  Tensor<float, 3, typename Exec::Memory> gradients_;
};

/// Learned rows beside the patches, the same for every image, in a frozen backbone. They stand at the end of the sequence; attention does not care where.
/// @tparam Depth  Shallow or Deep
/// @source Jia et al., "Visual Prompt Tuning", ECCV 2022, arXiv:2203.12119v2, section 3.2
template <class Depth>
struct FixedPrompt {
  static constexpr std::string_view name = Depth::name;
  static constexpr bool needs_query = false;
  static constexpr std::string_view segment = "prompt.tokens";  ///< [layers, L, D]
  static constexpr std::string_view role = "prompt";

  Index length = 5;  ///< L
  PromptInit initial = PromptInit::zeros;
  PromptLearns learns = PromptLearns::every_task;
  std::uint64_t seed = 1993;  ///< draws the rows

  class State {
   public:
    [[nodiscard]] ParameterStore<float>& parameters() { return parameters_; }
    [[nodiscard]] ParameterStore<float> const& parameters() const { return parameters_; }

   private:
    friend struct FixedPrompt;
    ParameterStore<float> parameters_;
    Index at_ = 0;
  };

  /// Makes the rows. @throws ValueError  for a length below 1
  void fit_place(State& state, PromptPlace const& place) const {
    if (length < 1) { fail<ValueError>("FixedPrompt", "needs at least one row (came: ", length, ")"); }
    State fresh;
    fresh.at_ = place.tokens;
    Index const layers = Depth::layers(place.depth);
    fresh.parameters_.add({.name = std::string(segment), .shape = {layers, length, place.width}, .role = std::string(role), .trainable_rows = layers});
    if (initial != PromptInit::zeros) {
      Rng const random({.seed = seed, .purpose = Purpose::initialisation, .object = 1});
      double const bound = initial == PromptInit::width ? 1.0 / std::sqrt(static_cast<double>(place.width)) : std::sqrt(6.0 / static_cast<double>(place.patch_inputs + place.width));
      std::uint64_t element = 0;
      for (float& value : fresh.parameters_.template view<3>(segment)) { value = static_cast<float>(bound * (2.0 * random.uniform(element++) - 1.0)); }
    }
    state = std::move(fresh);
  }

  /// Lets the rows learn, or stand still from the second task on.
  void begin_task(State& state, TaskInfo const& task) const {
    bool const still = learns == PromptLearns::first_task && task.index > 0;
    state.parameters_.train_rows(segment, 0, still ? 0 : state.parameters_.segment(segment).shape[0]);
  }
  void end_task(State& /*state*/, TaskInfo const& /*task*/) const {}

  template <class Exec>
  [[nodiscard]] FixedPromptHook<Exec> hook(Exec const& exec, State const& state) const {
    return {exec, rows(state), state.at_};
  }
  template <class Exec>
  [[nodiscard]] FixedPromptLearningHook<Exec> learning_hook(Exec const& exec, State const& state) const {
    return {exec, rows(state), state.at_, segment, state.parameters_.segment(segment).trainable_rows > 0};
  }

  template <class Writer>
  void write(State const& state, Writer const& writer) const {
    writer.setting("at", state.at_);
    state.parameters_.write(writer);
  }
  /// @throws FileError  when something is missing or does not fit
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    fresh.at_ = reader.template setting<Index>("at");
    fresh.parameters_ = ParameterStore<float>::read(reader);
    if (!fresh.parameters_.contains(segment) || fresh.parameters_.segment(segment).shape.size() != 3) { fail<FileError>(reader.path().string(), "holds no prompt of rows [layers, L, D]"); }
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<FixedPrompt>> settings() {
    return {number_setting("prompt-length", "rows of the prompt in each block", &FixedPrompt::length, Index{1}, Index{10000}),
            choice_setting("prompt-initial", "how the rows begin", &FixedPrompt::initial,
                           std::vector<std::pair<std::string, PromptInit>>{{"zeros", PromptInit::zeros}, {"xavier", PromptInit::xavier}, {"width", PromptInit::width}}),
            choice_setting("prompt-learns", "which tasks move the rows, where all learn", &FixedPrompt::learns,
                           std::vector<std::pair<std::string, PromptLearns>>{{"every-task", PromptLearns::every_task}, {"first-task", PromptLearns::first_task}})};
  }

 private:
  static TensorView<float const, 3> rows(State const& state) { return state.parameters_.template view<3>(segment); }
};
static_assert(LearnedPrompt<FixedPrompt<Shallow>> && LearnedPrompt<FixedPrompt<Deep>>);

}  // namespace accrete
