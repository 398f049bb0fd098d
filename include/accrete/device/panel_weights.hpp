#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/precision.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <memory>

namespace accrete::device {

/// The weights of a product as the processor's Thrust systems multiply them: outputs in panels of 32, inside a panel the inputs
/// follow each other, each with its 32 weights together. Copies share one storage.
class PanelWeights {
 public:
  static constexpr Index panel_width = 32;

  PanelWeights() = default;
  /// With `Precision::bfloat16` the weights are rounded to it and kept as float, since that is what the processor multiplies.
  PanelWeights(Precision precision, Index outputs, Index inputs, bool has_bias) : storage_(std::make_shared<Storage>(precision, outputs, inputs, has_bias)) {}

  [[nodiscard]] Index inputs() const { return storage_ ? storage_->panels.extent(1) : 0; }
  [[nodiscard]] Index outputs() const { return storage_ ? storage_->outputs : 0; }
  [[nodiscard]] bool has_bias() const { return storage_ && storage_->has_bias; }
  [[nodiscard]] Precision precision() const { return storage_ ? storage_->precision : Precision::float32; }

  /// [panels, in, 32]; columns beyond the last output are zero.
  [[nodiscard]] TensorView<float const, 3> panels() const { return storage_->panels; }
  /// [panels * 32]; zero where there is none.
  [[nodiscard]] VectorView<float const> bias() const { return storage_->bias; }

  /// Takes the values over, for all copies.
  /// @param[in] weight [out, in], or [in, out] for `input_rows`;  @param[in] bias [out] or empty
  void fill(MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order) {
    bool const by_output = order == kernels::WeightOrder::output_rows;
    for (Index row = 0; row < weight.extent(0); ++row) {
      for (Index column = 0; column < weight.extent(1); ++column) {
        float const value = weight(row, column);
        Index const output = by_output ? row : column;
        storage_->panels(output / panel_width, by_output ? column : row, output % panel_width) = storage_->precision == Precision::bfloat16 ? to_float(to_bfloat16(value)) : value;
      }
    }
    std::copy(bias.begin(), bias.end(), storage_->bias.begin());
  }

 private:
  struct Storage {
    Precision precision;
    Index outputs;
    bool has_bias;
    Tensor<float, 3> panels;
    Vector<float> bias;

    Storage(Precision wanted, Index output_count, Index inputs, bool biased)
        : precision(wanted),
          outputs(output_count),
          has_bias(biased),
          panels(Tensor<float, 3>::zeros({(outputs + panel_width - 1) / panel_width, inputs, panel_width})),
          bias(Vector<float>::zeros({panels.extent(0) * panel_width})) {}
  };

  std::shared_ptr<Storage> storage_;
};

}  // namespace accrete::device
