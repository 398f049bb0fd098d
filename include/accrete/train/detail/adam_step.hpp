#pragma once

#include <accrete/config.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/train/optimizer_state.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::detail {

/// What Adam and AdamW share; they differ in where the decay enters.
enum class Decay {
  coupled,    ///< g += c w, and the moments see it
  decoupled,  ///< w *= 1 - l c, and the moments do not
};

struct AdamSettings {
  std::string_view function;
  double beta1;
  double beta2;
  double epsilon;
  bool amsgrad;
  Decay decay;

  void check() const {
    bool const sense = beta1 >= 0.0 && beta1 < 1.0 && beta2 >= 0.0 && beta2 < 1.0 && epsilon >= 0.0;
    if (!sense) { fail<ValueError>(function, "beta1 and beta2 must lie in [0, 1) and epsilon must not be negative (came: ", beta1, ", ", beta2, ", ", epsilon, ")"); }
  }
};

/// One span. The corrections by 1 - beta^t are numbers of the step and made in double, as the references do.
template <class T>
void adam_move(AdamSettings const& settings, OptimizerState<T>& state, VectorView<T> weights, T const* gradient, ParameterUpdate const& update, T decay, Index step) {
  double const correction1 = 1.0 - std::pow(settings.beta1, static_cast<double>(step));
  T const correction2 = static_cast<T>(std::sqrt(1.0 - std::pow(settings.beta2, static_cast<double>(step))));
  T const rate = static_cast<T>(update.rate / correction1);
  T const fresh1 = static_cast<T>(1.0 - settings.beta1);
  T const kept2 = static_cast<T>(settings.beta2);
  T const fresh2 = static_cast<T>(1.0 - settings.beta2);
  T const epsilon = static_cast<T>(settings.epsilon);
  T const coupled = settings.decay == Decay::coupled ? decay : T{0};
  T const shrink = settings.decay == Decay::decoupled ? static_cast<T>(1.0 - update.rate * static_cast<double>(decay)) : T{1};
  T* const w = weights.data();
  T* const mean = state.moments[0].data() + update.span.first;
  T* const square = state.moments[1].data() + update.span.first;
  T* const largest = settings.amsgrad ? state.moments[2].data() + update.span.first : square;
  Index const count = weights.size();
  ACCRETE_SIMD
  for (Index i = 0; i < count; ++i) {
    T const g = gradient[i] + coupled * w[i];
    mean[i] += fresh1 * (g - mean[i]);
    square[i] = kept2 * square[i] + fresh2 * g * g;
    largest[i] = square[i] > largest[i] ? square[i] : largest[i];
    w[i] = shrink * w[i] - rate * (mean[i] / (std::sqrt(largest[i]) / correction2 + epsilon));
  }
}

template <class T>
void adam_step(AdamSettings const& settings, OptimizerState<T>& state, ParameterStore<T>& store, VectorView<T const> gradient, std::span<ParameterUpdate const> updates) {
  settings.check();
  check_step(settings.function, state, settings.amsgrad ? 3 : 2, store, gradient, updates);
  for (ParameterUpdate const& update : updates) {
    Index const step = ++state.steps[static_cast<std::size_t>(update.span.segment)];
    adam_move(settings, state, store.view(update.span), gradient.data() + update.span.first, update, decay_of(store, update), step);
  }
}

/// The settings a person may change, of either policy.
template <class Policy>
[[nodiscard]] std::vector<Setting<Policy>> adam_setting_list() {
  double const below_one = std::nextafter(1.0, 0.0);
  return {number_setting("beta1", "share of the mean gradient that stays each step", &Policy::beta1, 0.0, below_one),
          number_setting("beta2", "share of the mean squared gradient that stays each step", &Policy::beta2, 0.0, below_one),
          number_setting("epsilon", "added to the root of the corrected mean square", &Policy::epsilon, 0.0, 1.0),
          choice_setting("amsgrad", "divide by the largest mean square so far", &Policy::amsgrad, std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}})};
}

}  // namespace accrete::detail
