#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/kernels/elementwise.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/concept.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Keys and values of a fixed prefix in an executor's memory, as a hook.
template <class Exec>
class FixedPrefixHook {
 public:
  /// @param[in] values  as FixedPrefix keeps them
  FixedPrefixHook(Exec const& exec, ParameterStore<float> const& values, bool compensated) : exec_(exec), compensated_(compensated) { place(values); }

  [[nodiscard]] Injects kind(Index block) const { return block < keys_.extent(0) ? Injects::prefix : Injects::nothing; }
  [[nodiscard]] PrefixInjection prefix(Index block) const { return {keys_.cview().slice(block, 1), values_.cview().slice(block, 1), compensated_}; }

 protected:
  using Rows = Tensor<float, 3, typename Exec::Memory>;

  /// Each block's keys and values times their scales.
  void place(ParameterStore<float> const& values) {
    auto const scales = values.view<2>("prompt.scales");
    auto const scaled = [&](std::string_view segment, Index which, Rows& there) {
      auto const rows = values.view<3>(segment);
      Tensor<float, 3> product(rows.shape());
      for (Index i = 0; i < rows.extent(0); ++i) {
        std::transform(rows[i].begin(), rows[i].end(), product.view()[i].begin(), [factor = scales(i, which)](float value) { return factor * value; });
      }
      if (there.empty()) { there = Rows(rows.shape()); }
      kernels::upload(exec_, product.cview(), there.view());
      exec_.wait();  // `product` goes
    };
    scaled("prompt.keys", 0, keys_);
    scaled("prompt.values", 1, values_);
  }

  Exec exec_;
  bool compensated_;
  Rows keys_;    ///< [blocks, L, D]
  Rows values_;  ///< [blocks, L, D]
};

/// The same while it learns.
template <class Exec>
class FixedPrefixLearningHook : public FixedPrefixHook<Exec> {
  using Base = FixedPrefixHook<Exec>;
  using typename Base::Rows;

 public:
  FixedPrefixLearningHook(Exec const& exec, ParameterStore<float> const& values, bool compensated)
      : Base(exec, values, compensated), parameters_(values), d_keys_(this->keys_.shape()), d_values_(this->values_.shape()) {
    clear();
  }

  void refresh(ParameterStore<float> const& values) {
    parameters_ = values;
    this->place(values);
  }

  /// @param[in] d_k, d_v [B, L, D] in the executor's memory: of each sequence
  void prefix_gradient(Index block, TensorView<float const, 3> d_k, TensorView<float const, 3> d_v) {
    kernels::sum_tokens(this->exec_, d_k, 0, d_keys_.view()[block]);
    kernels::sum_tokens(this->exec_, d_v, 0, d_values_.view()[block]);
  }

  /// Hands out the gradient of the step and begins the next one with zero.
  ///   of rows P under a factor s, with G that of s P:   dP = s G,   ds = <P, G>
  void collect(ParameterStore<float>& gradients) {
    auto const scales = parameters_.view<2>("prompt.scales");
    auto const d_scales = gradients.view<2>("prompt.scales");
    auto const of = [&](std::string_view segment, Index which, Rows const& there) {
      auto const rows = std::as_const(parameters_).template view<3>(segment);
      auto const d_rows = gradients.view<3>(segment);
      kernels::download(this->exec_, there.cview(), d_rows);
      for (Index i = 0; i < rows.extent(0); ++i) {
        auto const own = d_rows[i];
        d_scales(i, which) = static_cast<float>(std::inner_product(own.begin(), own.end(), rows[i].begin(), 0.0));
        for (float& value : own) { value *= scales(i, which); }
      }
    };
    of("prompt.keys", 0, d_keys_);
    of("prompt.values", 1, d_values_);
    clear();
  }

 private:
  void clear() {
    kernels::fill(this->exec_, VectorView<float>(d_keys_.data(), {d_keys_.size()}), 0.0F);
    kernels::fill(this->exec_, VectorView<float>(d_values_.data(), {d_values_.size()}), 0.0F);
  }

  ParameterStore<float> parameters_;
  Rows d_keys_;
  Rows d_values_;
};

/// Learned keys and values in the first blocks of a frozen backbone, the same for every image, each block's under a factor for the keys and one for the values:
///   attention over [s_k P_k; k] and [s_v P_v; v]
/// The store holds `prompt.keys`, `prompt.values` [blocks, L, D] ~ U(0, 0.01) and `prompt.scales` [blocks, 2], 1 at first.
/// @source Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning" (LAE), ICCV 2023, arXiv:2303.10070, as released;
///         Li, Liang, "Prefix-Tuning", ACL 2021, arXiv:2101.00190
struct FixedPrefix {
  static constexpr std::string_view name = "fixed-prefix";
  static constexpr bool needs_query = false;

  Index length = 10;          ///< L
  Index blocks = 5;           ///< how many of the first blocks have one; 0: all
  bool compensated = true;    ///< the weights of the prefix sum to one by themselves, so that a prefix of small values does not thin the rest
  std::uint64_t seed = 1993;  ///< draws the rows

  class State {
   public:
    [[nodiscard]] ParameterStore<float>& parameters() { return parameters_; }
    [[nodiscard]] ParameterStore<float> const& parameters() const { return parameters_; }

   private:
    friend struct FixedPrefix;
    ParameterStore<float> parameters_;
  };

  /// Makes the rows. @throws ValueError  for a length below 1
  void fit_place(State& state, PromptPlace const& place) const {
    if (length < 1) { fail<ValueError>("FixedPrefix", "needs at least one row (came: ", length, ")"); }
    Index const layers = blocks > 0 ? std::min(blocks, place.depth) : place.depth;
    State fresh;
    std::uint64_t drawn = 0;
    Rng const random({.seed = seed, .purpose = Purpose::initialisation, .object = 1});
    for (char const* const segment : {"prompt.keys", "prompt.values"}) {
      fresh.parameters_.add({.name = segment, .shape = {layers, length, place.width}, .role = "prompt", .trainable_rows = layers});
      for (float& value : fresh.parameters_.view<3>(segment)) { value = static_cast<float>(0.01 * random.uniform(drawn++)); }
    }
    fresh.parameters_.add({.name = "prompt.scales", .shape = {layers, 2}, .role = "prompt", .trainable_rows = layers});
    for (float& value : fresh.parameters_.view<2>("prompt.scales")) { value = 1.0F; }
    state = std::move(fresh);
  }

  void begin_task(State& /*state*/, TaskInfo const& /*task*/) const {}
  void end_task(State& /*state*/, TaskInfo const& /*task*/) const {}

  template <class Exec>
  [[nodiscard]] FixedPrefixHook<Exec> hook(Exec const& exec, State const& state) const {
    return {exec, state.parameters_, compensated};
  }
  template <class Exec>
  [[nodiscard]] FixedPrefixLearningHook<Exec> learning_hook(Exec const& exec, State const& state) const {
    return {exec, state.parameters_, compensated};
  }

  template <class Writer>
  void write(State const& state, Writer const& writer) const {
    state.parameters_.write(writer);
  }
  /// @throws FileError  when something is missing or does not fit
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    fresh.parameters_ = ParameterStore<float>::read(reader);
    auto const has = [&](char const* segment, std::size_t axes) { return fresh.parameters_.contains(segment) && fresh.parameters_.segment(segment).shape.size() == axes; };
    if (!has("prompt.keys", 3) || !has("prompt.values", 3) || !has("prompt.scales", 2)) { fail<FileError>(reader.path().string(), "holds no prefix of keys and values [blocks, L, D] with scales"); }
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<FixedPrefix>> settings() {
    return {number_setting("prefix-length", "keys, and values, of the prefix in each block", &FixedPrefix::length, Index{1}, Index{10000}),
            number_setting("prefix-blocks", "how many of the first blocks have a prefix; 0: all", &FixedPrefix::blocks, Index{0}, Index{4096}),
            choice_setting("prefix-compensated", "whether the weights of the prefix sum to one by themselves", &FixedPrefix::compensated,
                           std::vector<std::pair<std::string, bool>>{{"yes", true}, {"no", false}})};
  }
};
static_assert(LearnedPrompt<FixedPrefix>);

}  // namespace accrete
