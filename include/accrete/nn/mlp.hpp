#pragma once

#include <accrete/nn/linear.hpp>

#include <utility>

namespace accrete::nn {

/// The two-layer perceptron of a block with frozen weights: x += fc2(act(fc1(z))).
template <class Exec>
class Mlp {
 public:
  Mlp() = default;
  /// @param first [D -> hidden];  @param second [hidden -> D], a residual gain already folded in
  Mlp(Linear<Exec> first, Linear<Exec> second, kernels::Activation activation) : first_(std::move(first)), second_(std::move(second)), activation_(activation) {}

  [[nodiscard]] Index hidden() const { return first_.outputs(); }
  [[nodiscard]] Linear<Exec> const& first() const { return first_; }
  [[nodiscard]] Linear<Exec> const& second() const { return second_; }

  /// @param[in]     z      [rows, D] the normed input
  /// @param         hidden [rows, hidden] to work in
  /// @param[in,out] x      [rows, D] residual stream
  template <class T>
  void forward(Exec const& exec, MatrixView<T> z, MatrixView<T> hidden, RowsView<float> x) const {
    first_.forward(exec, RowsView<T>(z), RowsView<T>(hidden), {.activation = activation_});
    second_.forward(exec, RowsView<T>(hidden), x, {.accumulate = true});
  }

  /// The same without the residual: y = fc2(act(fc1(z))).
  /// @param[out] y [rows, D]; may be z
  template <class T>
  void give(Exec const& exec, MatrixView<T> z, MatrixView<T> hidden, MatrixView<T> y) const {
    first_.forward(exec, RowsView<T>(z), RowsView<T>(hidden), {.activation = activation_});
    second_.forward(exec, RowsView<T>(hidden), RowsView<T>(y));
  }

 private:
  Linear<Exec> first_;
  Linear<Exec> second_;
  kernels::Activation activation_ = kernels::Activation::gelu;
};

}  // namespace accrete::nn
