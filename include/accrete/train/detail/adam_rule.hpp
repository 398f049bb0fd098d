#pragma once

#include <accrete/config.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/train/detail/number_ranges.hpp>
#include <accrete/train/optimizer_state.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::detail {

/// Where the decay enters, in which Adam and AdamW differ.
enum class Decay {
  coupled,    ///< g += c w, and the moments see it
  decoupled,  ///< w *= 1 - l c, and the moments do not
};

/// What Adam and AdamW share: see there.
template <Decay decay>
struct AdamRule {
  static constexpr std::string_view name = decay == Decay::coupled ? "adam" : "adamw";
  template <class T>
  using State = OptimizerState<T>;

  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool amsgrad = false;

  /// Mean, mean square, and with amsgrad the largest mean square.
  [[nodiscard]] std::size_t moment_count() const { return amsgrad ? 3 : 2; }

  template <class T>
  [[nodiscard]] State<T> start(ParameterStore<T> const& store) const {
    return State<T>(store, moment_count());
  }

  /// @param[in] gradient [P] of the store's layout;  @param[in] updates  those of `store.trainable()` that received a gradient, in that order
  /// @throws ShapeError  when the layouts differ or an update is of something else;  ValueError  for settings without sense;  nothing is changed then
  template <class Exec, class T>
  void step(Exec const& exec, State<T>& state, ParameterStore<T>& store, NonDeduced<VectorView<T const>> gradient, std::span<ParameterUpdate const> updates) const {
    check();
    check_step(function, state, moment_count(), store, gradient, updates);
    for (ParameterUpdate const& update : updates) {
      Index const steps = ++state.steps[static_cast<std::size_t>(update.span.segment)];
      T const weight_decay = decay_of(store, update);
      for_number_ranges(exec, update.span.count, [&](Index from, Index count) {
        move(state, store.values().slice(update.span.first + from, count), update.span.first + from, gradient.data() + update.span.first + from, update.rate, weight_decay, steps);
      });
    }
  }

  /// The settings a person may change.
  [[nodiscard]] static std::vector<Setting<AdamRule>> settings() {
    double const below_one = std::nextafter(1.0, 0.0);
    return {number_setting("beta1", "share of the mean gradient that stays each step", &AdamRule::beta1, 0.0, below_one),
            number_setting("beta2", "share of the mean squared gradient that stays each step", &AdamRule::beta2, 0.0, below_one),
            number_setting("epsilon", "added to the root of the corrected mean square", &AdamRule::epsilon, 0.0, 1.0),
            choice_setting("amsgrad", "divide by the largest mean square so far", &AdamRule::amsgrad, std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}})};
  }

 private:
  static constexpr std::string_view function = decay == Decay::coupled ? "Adam::step" : "AdamW::step";

  void check() const {
    bool const sense = beta1 >= 0.0 && beta1 < 1.0 && beta2 >= 0.0 && beta2 < 1.0 && epsilon >= 0.0;
    if (!sense) { fail<ValueError>(function, "beta1 and beta2 must lie in [0, 1) and epsilon must not be negative (came: ", beta1, ", ", beta2, ", ", epsilon, ")"); }
  }

  /// Neighbours of one span. The corrections by 1 - beta^t are numbers of the step and made in double, as the references do.
  template <class T>
  void move(State<T>& state, VectorView<T> weights, Index first, T const* gradient, double base_rate, T weight_decay, Index steps) const {
    double const correction1 = 1.0 - std::pow(beta1, static_cast<double>(steps));
    T const correction2 = static_cast<T>(std::sqrt(1.0 - std::pow(beta2, static_cast<double>(steps))));
    T const rate = static_cast<T>(base_rate / correction1);
    T const fresh1 = static_cast<T>(1.0 - beta1);
    T const kept2 = static_cast<T>(beta2);
    T const fresh2 = static_cast<T>(1.0 - beta2);
    T const above_zero = static_cast<T>(epsilon);
    T const coupled = decay == Decay::coupled ? weight_decay : T{0};
    T const shrink = decay == Decay::decoupled ? static_cast<T>(1.0 - base_rate * static_cast<double>(weight_decay)) : T{1};
    T* const w = weights.data();
    T* const mean = state.moments[0].data() + first;
    T* const square = state.moments[1].data() + first;
    T* const largest = amsgrad ? state.moments[2].data() + first : square;
    Index const count = weights.size();
    ACCRETE_SIMD
    for (Index i = 0; i < count; ++i) {
      T const g = gradient[i] + coupled * w[i];
      mean[i] += fresh1 * (g - mean[i]);
      square[i] = kept2 * square[i] + fresh2 * g * g;
      largest[i] = square[i] > largest[i] ? square[i] : largest[i];
      w[i] = shrink * w[i] - rate * (mean[i] / (std::sqrt(largest[i]) / correction2 + above_zero));
    }
  }
};

}  // namespace accrete::detail
