#pragma once

#include <accrete/config.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/train/detail/number_ranges.hpp>
#include <accrete/train/optimizer.hpp>
#include <accrete/train/optimizer_state.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Stochastic gradient descent with momentum m, dampening d and coupled decay c, at the rate l of the step:
///   g += c w;   v = g at the first step of a segment, later v = m v + (1 - d) g;   g = g + m v with Nesterov's look ahead, else g = v;   w -= l g
/// The rate stands outside of the momentum, so a change of the rate acts at once.
/// @source specification: backbone.md §4, the semantics of PyTorch's SGD
struct Sgd {
  static constexpr std::string_view name = "sgd";
  template <class T>
  using State = OptimizerState<T>;

  double momentum = 0.9;
  double dampening = 0.0;
  bool nesterov = false;

  [[nodiscard]] std::size_t moment_count() const { return momentum != 0.0 ? 1 : 0; }

  template <class T>
  [[nodiscard]] State<T> start(ParameterStore<T> const& store) const {
    check();
    return State<T>(store, moment_count());
  }

  /// @param[in] gradient [P] of the store's layout;  @param[in] updates  those of `store.trainable()` that received a gradient, in that order
  /// @throws ShapeError  when the layouts differ or an update is of something else;  ValueError  for settings without sense;  nothing is changed then
  template <class Exec, class T>
  void step(Exec const& exec, State<T>& state, ParameterStore<T>& store, NonDeduced<VectorView<T const>> gradient, std::span<ParameterUpdate const> updates) const {
    check();
    detail::check_step("Sgd::step", state, moment_count(), store, gradient, updates);
    for (ParameterUpdate const& update : updates) {
      auto const first = update.span.first;
      auto const weights = store.view(update.span);
      T* const velocity = momentum != 0.0 ? state.moments[0].data() + first : nullptr;
      Index& steps = state.steps[static_cast<std::size_t>(update.span.segment)];
      bool const is_first = steps == 0;
      T const decay = detail::decay_of(store, update);
      detail::for_number_ranges(exec, update.span.count, [&](Index from, Index count) {
        move(weights.slice(from, count), gradient.data() + first + from, velocity == nullptr ? nullptr : velocity + from, is_first, static_cast<T>(update.rate), decay);
      });
      ++steps;
    }
  }

  [[nodiscard]] static std::vector<Setting<Sgd>> settings() {
    return {number_setting("momentum", "share of the last step's direction that stays", &Sgd::momentum, 0.0, 1.0),
            number_setting("dampening", "share of the gradient that is kept out of the momentum", &Sgd::dampening, 0.0, 1.0),
            choice_setting("nesterov", "look ahead along the momentum", &Sgd::nesterov, std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}})};
  }

 private:
  void check() const {
    bool const sense = momentum >= 0.0 && momentum <= 1.0 && dampening >= 0.0 && dampening <= 1.0;
    if (!sense) { fail<ValueError>("Sgd", "momentum and dampening must lie in [0, 1] (came: ", momentum, ", ", dampening, ")"); }
    if (nesterov && (momentum == 0.0 || dampening != 0.0)) { fail<ValueError>("Sgd", "Nesterov's look ahead needs momentum and no dampening (came: ", momentum, ", ", dampening, ")"); }
  }

  template <class T>
  void move(VectorView<T> weights, T const* gradient, T* velocity, bool is_first, T rate, T decay) const {
    T const kept = is_first ? T{0} : static_cast<T>(momentum);
    T const added = is_first ? T{1} : static_cast<T>(1.0 - dampening);
    T const ahead = static_cast<T>(momentum);
    T* const w = weights.data();
    Index const count = weights.size();
    if (velocity == nullptr) {
      ACCRETE_SIMD
      for (Index i = 0; i < count; ++i) { w[i] -= rate * (gradient[i] + decay * w[i]); }
    } else if (nesterov) {
      ACCRETE_SIMD
      for (Index i = 0; i < count; ++i) {
        T const g = gradient[i] + decay * w[i];
        velocity[i] = kept * velocity[i] + added * g;
        w[i] -= rate * (g + ahead * velocity[i]);
      }
    } else {
      ACCRETE_SIMD
      for (Index i = 0; i < count; ++i) {
        T const g = gradient[i] + decay * w[i];
        velocity[i] = kept * velocity[i] + added * g;
        w[i] -= rate * velocity[i];
      }
    }
  }
};
static_assert(Optimizer<Sgd>);

}  // namespace accrete
