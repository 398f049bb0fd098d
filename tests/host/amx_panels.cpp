#include "support/compare.hpp"
#include "support/samples.hpp"
#include "support/tile_registers.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/amx_panels.hpp>
#include <accrete/host/panel_product.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace accrete::test::amx_panels_test {

[[nodiscard]] Matrix<float> product(host::AmxPanels const& panels, MatrixView<bfloat16 const> x, Index outputs, int threads = 1) {
  Matrix<float> y({x.extent(0), outputs});
  host::panel_product(threads, RowsView<bfloat16 const>(x), panels, nullptr, {}, RowsView<float>(y.view()));
  return y;
}

TEST_CASE("panels for tile registers multiply weights of any extents, in either order") {
  if (!tile_registers_run()) { return; }
  for (auto const& [rows, inputs, outputs] : {std::array<Index, 3>{1, 1, 1}, {5, 31, 33}, {16, 32, 32}, {17, 33, 70}, {33, 500, 40}, {97, 530, 97}, {200, 64, 801}}) {
    CAPTURE(rows);
    CAPTURE(inputs);
    CAPTURE(outputs);
    auto const x = normal<bfloat16>(1, Shape<2>{rows, inputs});
    auto const weight = normal<float>(2, Shape<2>{outputs, inputs});
    Matrix<float> turned({inputs, outputs});
    Matrix<double> want = Matrix<double>::zeros({rows, outputs});
    for (Index j = 0; j < outputs; ++j) {
      for (Index k = 0; k < inputs; ++k) {
        turned(k, j) = weight(j, k);
        for (Index i = 0; i < rows; ++i) { want(i, j) += static_cast<double>(to_float(x(i, k))) * static_cast<double>(to_float(to_bfloat16(weight(j, k)))); }
      }
    }
    host::AmxPanels panels(inputs, outputs);
    panels.assign(2, weight.view(), kernels::WeightOrder::output_rows);
    auto const y = product(panels, x.view(), outputs, 2);
    CHECK(relative_difference(y, want) <= tolerance<float>(Kind::product));
    panels.assign(1, turned.view(), kernels::WeightOrder::input_rows);
    CHECK(same_bits(product(panels, x.view(), outputs), y));
  }
}

TEST_CASE("a row by tile registers has the same bits alone, among others and with more threads") {
  if (!tile_registers_run()) { return; }
  Index const inputs = 600;
  Index const outputs = 50;
  auto const x = normal<bfloat16>(3, Shape<2>{100, inputs});
  host::AmxPanels panels(inputs, outputs);
  panels.assign(1, normal<float>(4, Shape<2>{outputs, inputs}).view(), kernels::WeightOrder::output_rows);
  auto const all = product(panels, x.view(), outputs, 3);
  for (Index const rows : {1, 2, 15, 16, 17, 32, 33}) {
    for (Index first = 0; first + rows <= 100; first += rows) {
      auto const some = product(panels, {x[first].data(), {rows, inputs}}, outputs);
      CHECK(same_bits(some, MatrixView<float const>(all[first].data(), {rows, outputs})));
    }
  }
}

TEST_CASE("NaN and infinity stay in their row by tile registers") {
  if (!tile_registers_run()) { return; }
  auto x = normal<bfloat16>(5, Shape<2>{20, 40});
  x(3, 7) = to_bfloat16(std::numeric_limits<float>::quiet_NaN());
  x(18, 39) = to_bfloat16(std::numeric_limits<float>::infinity());
  host::AmxPanels panels(40, 10);
  panels.assign(1, normal<float>(6, Shape<2>{10, 40}).view(), kernels::WeightOrder::output_rows);
  auto const y = product(panels, x.view(), 10);
  for (Index i = 0; i < 20; ++i) {
    bool const finite = std::all_of(y[i].begin(), y[i].end(), [](float v) { return std::isfinite(v); });
    CHECK(finite == (i != 3 && i != 18));
  }
}

}  // namespace accrete::test::amx_panels_test
