#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/precision.hpp>
#include <accrete/core/tensor.hpp>

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
  /// @param[in] weight [out, in];  @param[in] bias [out] or empty
  PanelWeights(Precision precision, MatrixView<float const> weight, VectorView<float const> bias) : storage_(std::make_shared<Storage const>(precision, weight, bias)) {}

  [[nodiscard]] Index inputs() const { return storage_ ? storage_->panels.extent(1) : 0; }
  [[nodiscard]] Index outputs() const { return storage_ ? storage_->outputs : 0; }
  [[nodiscard]] Precision precision() const { return storage_ ? storage_->precision : Precision::float32; }

  /// [panels, in, 32]; columns beyond the last output are zero.
  [[nodiscard]] TensorView<float const, 3> panels() const { return storage_->panels; }
  /// [panels * 32]; zero where there is none.
  [[nodiscard]] VectorView<float const> bias() const { return storage_->bias; }

 private:
  struct Storage {
    Precision precision;
    Index outputs;
    Tensor<float, 3> panels;
    Vector<float> bias;

    Storage(Precision wanted, MatrixView<float const> weight, VectorView<float const> given_bias)
        : precision(wanted),
          outputs(weight.extent(0)),
          panels(Tensor<float, 3>::zeros({(outputs + panel_width - 1) / panel_width, weight.extent(1), panel_width})),
          bias(Vector<float>::zeros({panels.extent(0) * panel_width})) {
      for (Index out = 0; out < outputs; ++out) {
        auto const row = weight[out];
        for (Index in = 0; in < row.size(); ++in) { panels(out / panel_width, in, out % panel_width) = precision == Precision::bfloat16 ? to_float(to_bfloat16(row[in])) : row[in]; }
      }
      std::copy(given_bias.begin(), given_bias.end(), bias.begin());
    }
  };

  std::shared_ptr<Storage const> storage_;
};

}  // namespace accrete::device
