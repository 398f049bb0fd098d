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

/// Adam with coupled decay c, at the rate l and the t-th step of a segment:
///   g += c w;   m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2;   w -= l / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)
/// With `amsgrad` the largest v so far stands in place of v.
/// @source Kingma, Ba, "Adam", ICLR 2015, arXiv:1412.6980; Reddi, Kale, Kumar, ICLR 2018 (amsgrad); specification: backbone.md §4
struct Adam {
  static constexpr std::string_view name = "adam";
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
    detail::adam_step<T>({"Adam::step", beta1, beta2, epsilon, amsgrad, detail::Decay::coupled}, state, store, gradient, updates);
  }

  [[nodiscard]] static std::vector<Setting<Adam>> settings() { return detail::adam_setting_list<Adam>(); }
};
static_assert(Optimizer<Adam>);

}  // namespace accrete
