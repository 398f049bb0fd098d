#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/tolerances.hpp"

#include <accrete/backbone/positions.hpp>

#include <doctest/doctest.h>

#include <string>

namespace accrete::test::positions_test {

namespace {

/// A stored table [1, prefix + h * w, D] without its prefix, as a grid.
template <class T>
Tensor<T, 3> grid(SafetensorsFile const& file, std::string const& name, Index prefix, Index height, Index width) {
  auto const stored = file.read<T, 3>(name);
  Tensor<T, 3> table({height, width, stored.extent(2)});
  std::copy(stored.begin() + prefix * stored.extent(2), stored.end(), table.begin());
  return table;
}

}  // namespace

TEST_CASE("position tables are resized as timm and torch resize them") {
  auto const file = golden("position");
  struct Case {
    std::string table;
    Index prefix, old_h, old_w, new_h, new_w;
  };
  for (Case const& c :
       {Case{"4x4.prefix1", 1, 4, 4, 3, 3}, Case{"4x4.prefix1", 1, 4, 4, 5, 7}, Case{"4x4.prefix1", 1, 4, 4, 6, 6}, Case{"4x4.prefix2", 2, 4, 4, 8, 8}, Case{"3x5.prefix0", 0, 3, 5, 4, 4}}) {
    auto const table = grid<float>(file, c.table + ".table", c.prefix, c.old_h, c.old_w);
    for (PositionResize const how : {PositionResize::antialias, PositionResize::plain}) {
      auto const name = message(c.table, '.', name_of(how), '.', c.new_h, 'x', c.new_w);
      CAPTURE(name);
      CHECK(relative_difference(resize_positions(table, c.new_h, c.new_w, how), grid<double>(file, name, c.prefix, c.new_h, c.new_w)) <= tolerance<float>(Kind::elementwise));
    }
  }
}

TEST_CASE("a table that fits already stays as it is") {
  auto const table = grid<float>(golden("position"), "4x4.prefix1.table", 1, 4, 4);
  CHECK(same_bits(resize_positions(table, 4, 4, PositionResize::plain), table));
  CHECK(same_bits(resize_positions(table, 4, 4, PositionResize::antialias), table));
}

TEST_CASE("a constant table stays constant on any grid") {
  Tensor<float, 3> table({3, 2, 4});
  std::fill(table.begin(), table.end(), 0.25F);
  for (PositionResize const how : {PositionResize::antialias, PositionResize::plain}) {
    for (float const value : resize_positions(table, 7, 1, how)) { CHECK(value == doctest::Approx(0.25).epsilon(tolerance<float>(Kind::elementwise))); }
  }
}

TEST_CASE("grids without patches are refused") {
  CHECK_THROWS_AS(static_cast<void>(resize_positions(Tensor<float, 3>({0, 2, 4}), 2, 2, PositionResize::plain)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(resize_positions(Tensor<float, 3>::zeros({2, 2, 4}), 0, 2, PositionResize::plain)), ShapeError);
}

}  // namespace accrete::test::positions_test
