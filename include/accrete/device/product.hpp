#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/device/panel_weights.hpp>
#include <accrete/kernels/product.hpp>

#include <concepts>
#include <type_traits>

namespace accrete::device {

/// One block of y = act(x W^T + b): up to eight rows by one panel of outputs, each element summed over the inputs in ascending order.
/// Rows missing from the last block are computed as copies of the last row and dropped, so that every row goes through the same instructions.
template <class X, class Y>
struct PanelProduct {
  static constexpr int block_rows = 8;
  static constexpr int width = static_cast<int>(PanelWeights::panel_width);

  RowsView<X const> x;
  float const* panels;
  float const* bias;
  kernels::Epilogue epilogue;
  RowsView<Y> y;

  [[nodiscard]] static Index row_blocks(Index rows) { return (rows + block_rows - 1) / block_rows; }

  /// @param block  panel * row blocks + row block: neighbours share a panel, which then stays in the cache
  ACCRETE_HD void operator()(Index block) const {
    Index const blocks = (x.rows + block_rows - 1) / block_rows;
    Index const first_row = block % blocks * block_rows;
    Index const first_column = block / blocks * width;
    float sum[block_rows][width];
    multiply(first_row, panels + first_column * x.width, sum);
    Index const rows = x.rows - first_row < block_rows ? x.rows - first_row : block_rows;
    Index const columns = y.width - first_column < width ? y.width - first_column : width;
    for (Index r = 0; r < rows; ++r) {
      Y* const to = y.data + (first_row + r) * y.stride + first_column;
      for (Index c = 0; c < columns; ++c) { store(sum[r][c] + bias[first_column + c], to[c]); }
    }
  }

 private:
  ACCRETE_HD void multiply(Index first_row, float const* panel, float (&result)[block_rows][width]) const {
    X const* row[block_rows];
    for (int r = 0; r < block_rows; ++r) { row[r] = x.data + (first_row + r < x.rows ? first_row + r : x.rows - 1) * x.stride; }
    float sum[block_rows][width] = {};  // a local, so that it may stay in registers
    for (Index k = 0; k < x.width; ++k) {
      for (int r = 0; r < block_rows; ++r) {
        float const factor = converted<float>(row[r][k]);
        for (int c = 0; c < width; ++c) { sum[r][c] += factor * panel[k * width + c]; }
      }
    }
    for (int r = 0; r < block_rows; ++r) {
      for (int c = 0; c < width; ++c) { result[r][c] = sum[r][c]; }
    }
  }

  ACCRETE_HD void store(float value, Y& to) const {
    float const finished = activated(epilogue.activation, value);
    to = converted<Y>(epilogue.accumulate ? converted<float>(to) + finished : finished);
  }
};

/// Systems that multiply with the loop above: those of the processor.
template <class System>
concept MultipliesPanels = std::same_as<typename System::PackedWeights, PanelWeights>;

/// @throws ValueError  for a precision these products do not have
inline void expect_packable(Precision precision) {
  if (precision == Precision::float64) { fail<ValueError>("pack", "the products of a device have float32 and bfloat16 (came: ", name_of(precision), ")"); }
}

template <MultipliesPanels System>
[[nodiscard]] PanelWeights pack_on(DeviceExecutor<System> const& exec, MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order) {
  expect_packable(exec.precision);
  PanelWeights packed(exec.precision, kernels::detail::outputs_of(weight.shape(), order), kernels::detail::inputs_of(weight.shape(), order), !bias.empty());
  packed.fill(weight, bias, order);
  return packed;
}

template <MultipliesPanels System>
void repack_on(DeviceExecutor<System> const& /*exec*/, MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order, PanelWeights& packed) {
  packed.fill(weight, bias, order);
}

/// The scalars a product may read and write: float and bfloat16.
template <class X, class Y>
concept ProductScalars = (std::same_as<X, float> || std::same_as<X, bfloat16>)&&(std::same_as<Y, float> || std::same_as<Y, bfloat16>);

/// @throws ValueError  when the inputs' scalar is not the one the weights were packed for
template <class X>
void expect_packed_for(Precision packed) {
  Precision const wanted = std::is_same_v<X, float> ? Precision::float32 : Precision::bfloat16;
  if (packed != wanted) { fail<ValueError>("product", "x is ", name_of(wanted), " and the weights were packed in ", name_of(packed)); }
}

template <MultipliesPanels System, class X, class Y>
  requires ProductScalars<X, Y>
void product_on(DeviceExecutor<System> const& exec, RowsView<X const> x, PanelWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  expect_packed_for<X>(packed.precision());
  using Block = PanelProduct<X, Y>;
  for_each_index(exec, "product", packed.panels().extent(0) * Block::row_blocks(x.rows), Block{x, packed.panels().data(), packed.bias().data(), epilogue, y});
}

}  // namespace accrete::device
