// What tile registers run: compiled, never run, for a processor that has them.
#include <accrete/host/host.hpp>
#include <accrete/kernels/attention.hpp>
#include <accrete/kernels/product.hpp>
#include <accrete/kernels/weight_gradient.hpp>

namespace accrete::test {

void use_tile_registers(HostExecutor<> const& exec, HostExecutor<>::PackedWeights const& packed, RowsView<bfloat16 const> x, RowsView<bfloat16> y, MatrixView<float> dw) {
  kernels::product(exec, x, packed, {}, y);
  kernels::attention(exec, x, x, x, {}, {}, y);
  kernels::weight_gradient(exec, y, x, dw);
}

}  // namespace accrete::test
