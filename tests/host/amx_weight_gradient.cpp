#include "support/compare.hpp"
#include "support/samples.hpp"
#include "support/tile_registers.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/amx_weight_gradient.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <limits>

namespace accrete::test::amx_weight_gradient_test {

TEST_CASE("gradients by tile registers add dy^T x for any extents, with the same bits for any number of threads") {
  if (!tile_registers_run()) { return; }
  for (auto const& [rows, outputs, inputs] : {std::array<Index, 3>{1, 1, 1}, {5, 33, 31}, {31, 16, 32}, {64, 48, 70}, {197, 40, 300}, {2100, 17, 34}}) {
    CAPTURE(rows);
    CAPTURE(outputs);
    CAPTURE(inputs);
    auto const dy = normal<bfloat16>(1, Shape<2>{rows, outputs});
    auto const x = normal<bfloat16>(2, Shape<2>{rows, inputs});
    auto const before = normal<float>(3, Shape<2>{outputs, inputs});
    auto want = in_scalar<double>(before);
    for (Index k = 0; k < rows; ++k) {
      for (Index i = 0; i < outputs; ++i) {
        for (Index j = 0; j < inputs; ++j) { want(i, j) += static_cast<double>(to_float(dy(k, i))) * static_cast<double>(to_float(x(k, j))); }
      }
    }
    auto const gradient = [&](int threads) {
      Matrix<float> dw = before;
      host::amx_weight_gradient(threads, RowsView<bfloat16 const>(dy.view()), RowsView<bfloat16 const>(x.view()), dw.view());
      return dw;
    };
    auto const one = gradient(1);
    CHECK(relative_difference(one, want) <= tolerance<float>(Kind::product));
    CHECK(same_bits(gradient(3), one));
    auto added = Matrix<float>::zeros(before.shape());
    host::amx_weight_gradient(2, RowsView<bfloat16 const>(dy.view()), RowsView<bfloat16 const>(x.view()), added.view());
    Matrix<float> written(before.shape());
    std::fill(written.begin(), written.end(), std::numeric_limits<float>::quiet_NaN());
    host::amx_weight_gradient(2, RowsView<bfloat16 const>(dy.view()), RowsView<bfloat16 const>(x.view()), written.view(), false);
    CHECK(same_bits(written, added));
  }
}

}  // namespace accrete::test::amx_weight_gradient_test
