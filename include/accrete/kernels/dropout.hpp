#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsDropout = requires(Exec const& exec, Rng const& rng, double rate, RowsView<T> x) {
  dropout_on(exec, rng, rate, x);
};

struct DropoutFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, Rng const& rng, double rate, RowsView<T> x) const {
    static_assert(RunsDropout<Exec, T>, "kernels::dropout has no body for this executor and this scalar");
    if (!(rate >= 0.0 && rate < 1.0)) { fail<ValueError>("dropout", "the rate must lie in [0, 1) (came: ", rate, ")"); }
    if (rate > 0.0) { dropout_on(exec, rng, rate, x); }
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, Rng const& rng, double rate, MatrixView<T> x) const {
    (*this)(exec, rng, rate, RowsView<T>(x));
  }
};
}  // namespace detail

/// Drops elements and scales the rest, so that the mean stays:
///   x(r, c) = x(r, c) / (1 - rate) when rng.uniform(r * D + c) >= rate, else 0
/// Whether an element stays depends on the stream and its place only: the same call on the gradient is the backward pass.
/// @param[in] rate in [0, 1); nothing happens for 0;  @param[in,out] x [rows, D] float, double or bfloat16
/// @throws ValueError  for a rate outside of [0, 1)
/// @source Srivastava et al., JMLR 15 (2014), section 4; scaled during training
inline constexpr detail::DropoutFn dropout{};

}  // namespace accrete::kernels
