#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/weight_gradient.hpp>

namespace accrete::device {

/// One block of dW += dy^T x: eight outputs by 32 inputs, each element summed over the rows in ascending order.
template <class T, class Sum>
struct WeightGradientBlock {
  static constexpr int outputs = 8;
  static constexpr int inputs = 32;

  RowsView<T const> dy;
  RowsView<T const> x;
  Sum* dw;  ///< [out, in]

  [[nodiscard]] ACCRETE_HD static Index blocks(Index extent, int size) { return (extent + size - 1) / size; }
  [[nodiscard]] Index count() const { return blocks(dy.width, outputs) * blocks(x.width, inputs); }

  ACCRETE_HD void operator()(Index block) const {
    Index const across = blocks(x.width, inputs);
    Index const output = block / across * outputs;
    Index const input = block % across * inputs;
    if (output + outputs <= dy.width && input + inputs <= x.width) {
      add<true>(output, input);
    } else {
      add<false>(output, input);
    }
  }

 private:
  template <bool Whole>
  ACCRETE_HD void add(Index output, Index input) const {
    Sum sum[outputs][inputs] = {};
    for (Index row = 0; row < x.rows; ++row) {
      T const* const left = dy.data + row * dy.stride + output;
      T const* const right = x.data + row * x.stride + input;
      Sum value[inputs];
      for (int c = 0; c < inputs; ++c) { value[c] = Whole || input + c < x.width ? converted<Sum>(right[c]) : Sum{0}; }
      for (int r = 0; r < outputs; ++r) {
        Sum const factor = Whole || output + r < dy.width ? converted<Sum>(left[r]) : Sum{0};
        for (int c = 0; c < inputs; ++c) { sum[r][c] += factor * value[c]; }
      }
    }
    for (int r = 0; r < outputs; ++r) {
      for (int c = 0; c < inputs; ++c) {
        if (Whole || (output + r < dy.width && input + c < x.width)) { dw[(output + r) * x.width + input + c] += sum[r][c]; }
      }
    }
  }
};

template <OnProcessor System, class T, class Sum>
void weight_gradient_on(DeviceExecutor<System> const& exec, RowsView<T const> dy, RowsView<T const> x, MatrixView<Sum> dw) {
  WeightGradientBlock<T, Sum> const block{dy, x, dw.data()};
  for_each_index(exec, "weight_gradient", block.count(), block);
}

}  // namespace accrete::device
