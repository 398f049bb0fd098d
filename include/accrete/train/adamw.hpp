#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/train/detail/adam_step.hpp>
#include <accrete/train/optimizer.hpp>
#include <accrete/train/optimizer_state.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// Adam with decoupled decay c: w *= 1 - l c comes first, then Adam's step with the plain gradient. Its usual decay is 0.01.
/// @source Loshchilov, Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, arXiv:1711.05101; specification: backbone.md §4
struct AdamW {
  static constexpr std::string_view name = "adamw";
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
  template <class T>
  void step(State<T>& state, ParameterStore<T>& store, NonDeduced<VectorView<T const>> gradient, std::span<ParameterUpdate const> updates) const {
    detail::adam_step<T>({"AdamW::step", beta1, beta2, epsilon, amsgrad, detail::Decay::decoupled}, state, store, gradient, updates);
  }

  [[nodiscard]] static std::vector<Setting<AdamW>> settings() { return detail::adam_setting_list<AdamW>(); }
};
static_assert(Optimizer<AdamW>);

}  // namespace accrete
