#include "support/compare.hpp"
#include "support/samples.hpp"
#include "support/tile_registers.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/amx_panels.hpp>
#include <accrete/host/panel_product.hpp>
#include <accrete/host/weight_panels.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

namespace accrete::test::panel_product_test {

template <class Panels>
[[nodiscard]] bool run() {
  return !std::is_same_v<Panels, host::AmxPanels> || tile_registers_run();
}

/// As the panels keep a weight.
template <class Panels>
[[nodiscard]] double kept(float weight) {
  return static_cast<double>(std::is_same_v<Panels, host::AmxPanels> ? to_float(to_bfloat16(weight)) : weight);
}

template <class Panels>
[[nodiscard]] Matrix<float> product(Panels const& panels, MatrixView<bfloat16 const> x, Index outputs, int threads = 1) {
  Matrix<float> y({x.extent(0), outputs});
  host::panel_product(threads, RowsView<bfloat16 const>(x), panels, nullptr, {}, RowsView<float>(y.view()));
  return y;
}

TEST_CASE_TEMPLATE("panels multiply weights of any extents, in either order", Panels, host::WeightPanels, host::AmxPanels) {
  if (!run<Panels>()) { return; }
  for (auto const& [rows, inputs, outputs] : {std::array<Index, 3>{0, 4, 3}, {1, 1, 1}, {5, 31, 33}, {16, 32, 32}, {17, 33, 70}, {33, 500, 40}, {97, 1600, 97}, {200, 64, 801}}) {
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
        for (Index i = 0; i < rows; ++i) { want(i, j) += static_cast<double>(to_float(x(i, k))) * kept<Panels>(weight(j, k)); }
      }
    }
    Panels panels(inputs, outputs);
    panels.assign(2, weight.view(), kernels::WeightOrder::output_rows);
    auto const y = product(panels, x.view(), outputs, 2);
    CHECK(relative_difference(y, want) <= tolerance<float>(Kind::product));
    panels.assign(1, turned.view(), kernels::WeightOrder::input_rows);
    CHECK(same_bits(product(panels, x.view(), outputs), y));
  }
}

TEST_CASE_TEMPLATE("a row has the same bits alone, among others and with more threads, by either kind of panels", Panels, host::WeightPanels, host::AmxPanels) {
  if (!run<Panels>()) { return; }
  Index const inputs = 800;  // more than are summed at once
  Index const outputs = 50;
  Index const count = 2 * Panels::item_rows + 1;
  auto const x = normal<bfloat16>(3, Shape<2>{count, inputs});
  Panels panels(inputs, outputs);
  panels.assign(1, normal<float>(4, Shape<2>{outputs, inputs}).view(), kernels::WeightOrder::output_rows);
  auto const all = product(panels, x.view(), outputs, 3);
  for (Index const rows : {1, 2, 15, 16, 17, 32, 33}) {
    for (Index first = 0; first + rows <= count; first += rows) {
      auto const some = product(panels, {x[first].data(), {rows, inputs}}, outputs);
      CHECK(same_bits(some, MatrixView<float const>(all[first].data(), {rows, outputs})));
    }
  }
}

TEST_CASE_TEMPLATE("NaN and infinity stay in their row", Panels, host::WeightPanels, host::AmxPanels) {
  if (!run<Panels>()) { return; }
  auto x = normal<bfloat16>(5, Shape<2>{20, 40});
  x(3, 7) = to_bfloat16(std::numeric_limits<float>::quiet_NaN());
  x(18, 39) = to_bfloat16(std::numeric_limits<float>::infinity());
  Panels panels(40, 10);
  panels.assign(1, normal<float>(6, Shape<2>{10, 40}).view(), kernels::WeightOrder::output_rows);
  auto const y = product(panels, x.view(), 10);
  for (Index i = 0; i < 20; ++i) {
    bool const finite = std::all_of(y[i].begin(), y[i].end(), [](float v) { return std::isfinite(v); });
    CHECK(finite == (i != 3 && i != 18));
  }
}

}  // namespace accrete::test::panel_product_test
