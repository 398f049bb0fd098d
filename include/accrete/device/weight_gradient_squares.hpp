#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/weight_gradient_squares.hpp>

namespace accrete::device {

/// One block of squares += sum over the samples of (dy_b^T x_b)^2, each gradient summed over the sample's rows in ascending order.
/// One body for every system: a plain one, without the tensor units of a GPU.
template <class T, class Sum>
struct WeightGradientSquaresBlock {
  static constexpr int outputs = 4;
  static constexpr int inputs = 8;

  RowsView<T const> dy;
  RowsView<T const> x;
  Index samples;
  Sum* squares;  ///< [out, in]

  [[nodiscard]] ACCRETE_HD static Index blocks(Index extent, int size) { return (extent + size - 1) / size; }
  [[nodiscard]] Index count() const { return blocks(dy.width, outputs) * blocks(x.width, inputs); }

  ACCRETE_HD void operator()(Index block) const {
    Index const across = blocks(x.width, inputs);
    Index const output = block / across * outputs;
    Index const input = block % across * inputs;
    Index const rows = x.rows / samples;
    Sum total[outputs][inputs] = {};
    for (Index b = 0; b < samples; ++b) {
      Sum sum[outputs][inputs] = {};
      for (Index row = b * rows; row < (b + 1) * rows; ++row) {
        T const* const left = dy.data + row * dy.stride + output;
        T const* const right = x.data + row * x.stride + input;
        Sum value[inputs];
        for (int c = 0; c < inputs; ++c) { value[c] = input + c < x.width ? converted<Sum>(right[c]) : Sum{0}; }
        for (int r = 0; r < outputs; ++r) {
          Sum const factor = output + r < dy.width ? converted<Sum>(left[r]) : Sum{0};
          for (int c = 0; c < inputs; ++c) { sum[r][c] += factor * value[c]; }
        }
      }
      for (int r = 0; r < outputs; ++r) {
        for (int c = 0; c < inputs; ++c) { total[r][c] += sum[r][c] * sum[r][c]; }
      }
    }
    for (int r = 0; r < outputs; ++r) {
      for (int c = 0; c < inputs; ++c) {
        if (output + r < dy.width && input + c < x.width) { squares[(output + r) * x.width + input + c] += total[r][c]; }
      }
    }
  }
};

template <class System, class T, class Sum>
void weight_gradient_squares_on(DeviceExecutor<System> const& exec, RowsView<T const> dy, RowsView<T const> x, Index samples, MatrixView<Sum> squares) {
  WeightGradientSquaresBlock<T, Sum> const block{dy, x, samples, squares.data()};
  for_each_index(exec, "weight_gradient_squares", block.count(), block);
}

}  // namespace accrete::device
