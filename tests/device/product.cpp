#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/product.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace accrete::test::product_test {
namespace {
using kernels::Activation;

double reference_activation(Activation activation, double u) {
  switch (activation) {
    case Activation::gelu: return u * std::erfc(-u / std::sqrt(2.0)) / 2.0;
    case Activation::quick_gelu: return u / (1.0 + std::exp(-1.702 * u));
    case Activation::relu: return u > 0.0 ? u : 0.0;
    default: return u;
  }
}

/// y = act(x W^T + b) [+ before] in double.
template <class X>
Matrix<double> reference(Matrix<X> const& x, Matrix<float> const& weight, Vector<float> const& bias, kernels::Epilogue epilogue, Matrix<float> const& before) {
  Matrix<double> y({x.extent(0), weight.extent(0)});
  for (Index i = 0; i < y.extent(0); ++i) {
    for (Index j = 0; j < y.extent(1); ++j) {
      double sum = bias.empty() ? 0.0 : static_cast<double>(bias(j));
      for (Index k = 0; k < x.extent(1); ++k) { sum += static_cast<double>(to_float(x(i, k))) * static_cast<double>(weight(j, k)); }
      y(i, j) = reference_activation(epilogue.activation, sum) + (epilogue.accumulate ? static_cast<double>(before(i, j)) : 0.0);
    }
  }
  return y;
}

struct Layer {
  Index rows, inputs, outputs;
};

/// Full and broken blocks of rows and panels of outputs.
constexpr Layer layers[] = {{1, 1, 40}, {8, 16, 32}, {7, 33, 31}, {17, 40, 65}, {3, 192, 100}};

template <class Exec, class X, class Y>
void compare_with_reference(Exec const& exec, Layer layer, bool with_bias, kernels::Epilogue epilogue) {
  constexpr bool rounded = std::is_same_v<X, bfloat16>;
  auto const x = normal<X>(1, Shape<2>{layer.rows, layer.inputs});
  auto weight = normal<float>(2, Shape<2>{layer.outputs, layer.inputs});
  for (float& value : weight) { value = rounded ? to_float(to_bfloat16(value)) : value; }
  auto const bias = normal<float>(3, Shape<1>{with_bias ? layer.outputs : 0});
  auto const before = normal<float>(4, Shape<2>{layer.rows, layer.outputs});
  auto const packed = kernels::pack(exec, weight.cview(), bias.cview());
  CHECK(packed.inputs() == layer.inputs);
  CHECK(packed.outputs() == layer.outputs);
  auto const x_there = on_device(exec, x);
  auto y_there = on_device(exec, in_scalar<Y>(before));
  kernels::product(exec, x_there.view(), packed, epilogue, y_there.view());
  auto const want = reference(x, weight, bias, epilogue, in_scalar<float>(in_scalar<Y>(before)));
  using Loosest = std::conditional_t<rounded || std::is_same_v<Y, bfloat16>, bfloat16, float>;
  CHECK(relative_difference(on_host(exec, y_there), want) <= tolerance<Loosest>(Kind::product));
  // Given inputs that are exactly bfloat16, only the result may be rounded to it.
  if (std::is_same_v<Y, float>) { CHECK(relative_difference(on_host(exec, y_there), want) <= tolerance<float>(Kind::product)); }
}
}  // namespace

TEST_CASE_TEMPLATE("a device product equals the plain sum, with every epilogue", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(float32);
  Exec bfloat = float32;
  bfloat.precision = Precision::bfloat16;
  for (Layer const layer : layers) {
    CAPTURE(layer.rows);
    CAPTURE(layer.outputs);
    for (Activation const activation : {Activation::none, Activation::gelu, Activation::quick_gelu, Activation::relu}) {
      CAPTURE(static_cast<int>(activation));
      bool const with_bias = activation != Activation::relu;
      compare_with_reference<Exec, float, float>(float32, layer, with_bias, {.activation = activation});
      compare_with_reference<Exec, float, bfloat16>(float32, layer, with_bias, {.activation = activation});
      compare_with_reference<Exec, bfloat16, float>(bfloat, layer, with_bias, {.activation = activation});
      compare_with_reference<Exec, bfloat16, bfloat16>(bfloat, layer, with_bias, {.activation = activation});
    }
    compare_with_reference<Exec, float, float>(float32, layer, true, {.accumulate = true});
    compare_with_reference<Exec, float, float>(float32, layer, false, {.accumulate = true});
    compare_with_reference<Exec, bfloat16, bfloat16>(bfloat, layer, true, {.accumulate = true});
  }
}

TEST_CASE_TEMPLATE("weights packed in bfloat16 are rounded once", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(plain);
  Exec exec = plain;
  exec.precision = Precision::bfloat16;
  auto const weight = normal<float>(5, Shape<2>{20, 64});
  auto const packed = kernels::pack(exec, weight.cview(), {});
  CHECK(packed.precision() == Precision::bfloat16);
  auto const x = normal<bfloat16>(6, Shape<2>{9, 64});
  Matrix<float, typename Exec::Memory> y({9, 20});
  auto const x_there = on_device(exec, x);
  kernels::product(exec, x_there.view(), packed, {}, y.view());
  auto const want = reference(x, in_scalar<float>(in_scalar<bfloat16>(weight)), {}, {}, {});
  CHECK(relative_difference(on_host(exec, y), want) <= tolerance<float>(Kind::product));
}

TEST_CASE_TEMPLATE("a device product of a row has the same bits alone, in any batch and at any place", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const x = normal<float>(7, Shape<2>{37, 65});
  auto const packed = kernels::pack(exec, normal<float>(8, Shape<2>{45, 65}).cview(), normal<float>(9, Shape<1>{45}).cview());
  auto const rows = [&](std::vector<Index> const& order) {
    auto const there = on_device(exec, chosen_rows(x, order));
    Matrix<float, typename Exec::Memory> y({there.extent(0), 45});
    kernels::product(exec, there.view(), packed, {.activation = Activation::gelu}, y.view());
    return on_host(exec, y);
  };
  std::vector<Index> everything(37);
  for (Index i = 0; i < 37; ++i) { everything[static_cast<std::size_t>(i)] = i; }
  auto const all = rows(everything);
  for (Index i = 0; i < 37; ++i) { CHECK(same_bits(rows({i}), chosen_rows(all, {i}))); }
  std::vector<Index> const mixed{30, 2, 2, 17, 36, 0, 11, 5, 30};
  CHECK(same_bits(rows(mixed), chosen_rows(all, mixed)));
}

TEST_CASE_TEMPLATE("a device product reads and writes column ranges and leaves the rest alone", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const wide = normal<float>(10, Shape<2>{11, 50});
  auto const weight = normal<float>(11, Shape<2>{6, 20});
  auto const before = normal<float>(12, Shape<2>{11, 16});
  auto const packed = kernels::pack(exec, weight.cview(), {});
  auto const there = on_device(exec, wide);
  auto y = on_device(exec, before);
  kernels::product(exec, columns(there.view(), 8, 20), packed, {}, columns(y.view(), 4, 6));
  auto const got = on_host(exec, y);
  Matrix<float> x({11, 20});
  for (Index i = 0; i < 11; ++i) {
    for (Index j = 0; j < 20; ++j) { x(i, j) = wide(i, j + 8); }
  }
  auto const want = reference(x, weight, {}, {}, {});
  Matrix<double> expected({11, 16});
  for (Index i = 0; i < 11; ++i) {
    for (Index j = 0; j < 16; ++j) { expected(i, j) = j >= 4 && j < 10 ? want(i, j - 4) : static_cast<double>(before(i, j)); }
  }
  CHECK(relative_difference(got, expected) <= tolerance<float>(Kind::product));
}

TEST_CASE_TEMPLATE("a device product keeps a NaN in its row and refuses the wrong scalar", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto x = normal<float>(13, Shape<2>{3, 8});
  x(1, 4) = std::numeric_limits<float>::quiet_NaN();
  auto const packed = kernels::pack(exec, normal<float>(14, Shape<2>{5, 8}).cview(), {});
  for (Activation const activation : {Activation::none, Activation::gelu, Activation::quick_gelu, Activation::relu}) {
    CAPTURE(static_cast<int>(activation));
    auto const there = on_device(exec, x);
    Matrix<float, typename Exec::Memory> y({3, 5});
    kernels::product(exec, there.view(), packed, {.activation = activation}, y.view());
    auto const got = on_host(exec, y);
    for (Index j = 0; j < 5; ++j) {
      CHECK(std::isfinite(got(0, j)));
      CHECK(std::isnan(got(1, j)));
      CHECK(std::isfinite(got(2, j)));
    }
  }
  Matrix<bfloat16, typename Exec::Memory> const narrow({3, 8});
  Matrix<float, typename Exec::Memory> y({3, 5});
  CHECK_THROWS_WITH_AS(kernels::product(exec, narrow.view(), packed, {}, y.view()), "product: x is bfloat16 and the weights were packed in float32", ValueError);
  typename Exec::PackedWeights const nothing;
  CHECK(nothing.inputs() == 0);
  CHECK_THROWS_AS(kernels::product(exec, narrow.view(), nothing, {}, y.view()), ShapeError);
}

TEST_CASE_TEMPLATE("a device packs either order, and takes new values that copies see", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(plain);
  auto const weight = normal<float>(15, Shape<2>{37, 40});
  auto const bias = normal<float>(16, Shape<1>{37});
  Matrix<float> turned({40, 37});
  for (Index i = 0; i < 37; ++i) {
    for (Index j = 0; j < 40; ++j) { turned(j, i) = weight(i, j); }
  }
  for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
    Exec exec = plain;
    exec.precision = precision;
    auto const multiplied = [&](typename Exec::PackedWeights const& packed) {
      Matrix<float, typename Exec::Memory> y({3, 37});
      if (precision == Precision::float32) {
        auto const x = on_device(exec, normal<float>(17, Shape<2>{3, 40}));
        kernels::product(exec, x.view(), packed, {}, y.view());
      } else {
        auto const x = on_device(exec, normal<bfloat16>(17, Shape<2>{3, 40}));
        kernels::product(exec, x.view(), packed, {}, y.view());
      }
      return on_host(exec, y);
    };
    auto const want = multiplied(kernels::pack(exec, weight.cview(), bias.cview()));
    CHECK(same_bits(multiplied(kernels::pack(exec, turned.cview(), bias.cview(), kernels::WeightOrder::input_rows)), want));

    auto packed = kernels::pack(exec, normal<float>(18, Shape<2>{37, 40}).cview(), normal<float>(19, Shape<1>{37}).cview());
    auto const copy = packed;
    CHECK(!same_bits(multiplied(copy), want));
    kernels::repack(exec, turned.cview(), bias.cview(), kernels::WeightOrder::input_rows, packed);
    CHECK(same_bits(multiplied(copy), want));
    kernels::repack(exec, weight.cview(), bias.cview(), kernels::WeightOrder::output_rows, packed);
    CHECK(same_bits(multiplied(copy), want));
    CHECK_THROWS_AS(kernels::repack(exec, weight.cview(), {}, kernels::WeightOrder::output_rows, packed), ShapeError);
    CHECK(same_bits(multiplied(packed), want));
  }
  Exec wide = plain;
  wide.precision = Precision::float64;
  CHECK_THROWS_WITH_AS(static_cast<void>(kernels::pack(wide, weight.cview(), {})), "pack: the products of a device have float32 and bfloat16 (came: float64)", ValueError);
}

}  // namespace accrete::test::product_test
