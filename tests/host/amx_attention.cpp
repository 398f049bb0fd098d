#include "support/compare.hpp"
#include "support/samples.hpp"
#include "support/tile_registers.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/attention.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace accrete::test::amx_attention_test {

TEST_CASE("a head by tile registers equals the formula, whatever lies in the memory it works in") {
  if (!tile_registers_run()) { return; }
  for (auto const& [queries, keys, width] : {std::array<Index, 3>{1, 1, 1}, {7, 11, 5}, {17, 33, 20}, {33, 48, 64}, {65, 197, 40}, {3, 31, 80}}) {
    CAPTURE(queries);
    CAPTURE(keys);
    CAPTURE(width);
    auto const q = normal<bfloat16>(1, Shape<2>{queries, width});
    auto const k = normal<bfloat16>(2, Shape<2>{keys, width});
    auto const v = normal<bfloat16>(3, Shape<2>{keys, width});
    Matrix<double> want = Matrix<double>::zeros({queries, width});
    for (Index i = 0; i < queries; ++i) {
      std::vector<double> weights;
      for (Index j = 0; j < keys; ++j) {
        double score = 0.0;
        for (Index c = 0; c < width; ++c) { score += static_cast<double>(to_float(q(i, c))) * static_cast<double>(to_float(k(j, c))); }
        weights.push_back(std::exp(score / std::sqrt(static_cast<double>(width))));
      }
      double sum = 0.0;
      for (double const weight : weights) { sum += weight; }
      for (Index j = 0; j < keys; ++j) {
        for (Index c = 0; c < width; ++c) { want(i, c) += weights[static_cast<std::size_t>(j)] / sum * static_cast<double>(to_float(v(j, c))); }
      }
    }

    constexpr Index plenty = 100'000;
    std::fill_n(host::ThreadScratch<host::detail::TileElements>::get<std::uint32_t>(plenty), plenty, 0x7FC07FC0U);  // NaN
    Matrix<float> y({queries, width});
    auto const rows = [&](Matrix<bfloat16> const& own) { return host::detail::HeadRows<bfloat16>{nullptr, 0, width, own.data(), own.extent(0), width}; };
    host::detail::attend_with<host::detail::AmxTiles>(rows(q), 0, queries, rows(k), rows(v), width, RowsView<float>(y.view()), RowsView<float>());
    CHECK(relative_difference(y, want) <= tolerance<bfloat16>(Kind::attention));

    Matrix<float> alone({queries, width});
    host::detail::attend_with<host::detail::AmxTiles>(rows(q), queries - 1, 1, rows(k), rows(v), width, RowsView<float>(alone.view()), RowsView<float>());
    CHECK(same_bits(alone.cview()[queries - 1], y.cview()[queries - 1]));
  }
}

}  // namespace accrete::test::amx_attention_test
