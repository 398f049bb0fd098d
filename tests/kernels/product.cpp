#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/golden.hpp"
#include "support/matrices.hpp"
#include "support/naive_activation.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/product.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

namespace accrete::test::product_test {
namespace {
using kernels::Activation;
using kernels::Epilogue;
using kernels::WeightOrder;

template <class X>
constexpr Precision precision_of = std::is_same_v<X, float> ? Precision::float32 : Precision::bfloat16;

struct Size {
  Index rows, inputs, outputs;
};

/// A linear layer and rows to put through it.
template <class X, class Y>
struct Layer {
  Matrix<X> x;
  Matrix<float> weight;
  Vector<float> bias;
  Matrix<Y> before;

  Layer(Size size, bool with_bias)
      : x(normal<X>(1, Shape<2>{size.rows, size.inputs})),
        weight(normal<float>(2, Shape<2>{size.outputs, size.inputs})),
        bias(normal<float>(3, Shape<1>{with_bias ? size.outputs : 0})),
        before(normal<Y>(4, Shape<2>{size.rows, size.outputs})) {
    for (float& w : weight) { w /= std::sqrt(static_cast<float>(size.inputs)); }
  }

  /// The sums alone, float64.
  [[nodiscard]] Matrix<double> sums() const {
    Matrix<double> y(before.shape());
    auto const rounded = [](float w) { return static_cast<double>(std::is_same_v<X, float> ? w : to_float(to_bfloat16(w))); };
    for (Index i = 0; i < y.extent(0); ++i) {
      for (Index j = 0; j < y.extent(1); ++j) {
        y(i, j) = bias.empty() ? 0.0 : static_cast<double>(bias(j));
        for (Index k = 0; k < x.extent(1); ++k) { y(i, j) += rounded(weight(j, k)) * static_cast<double>(to_float(x(i, k))); }
      }
    }
    return y;
  }

  [[nodiscard]] Matrix<double> finished(Matrix<double> sums, Epilogue epilogue) const {
    for (Index i = 0; i < sums.size(); ++i) {
      double const start = epilogue.accumulate ? static_cast<double>(to_float(before.data()[i])) : 0.0;
      sums.data()[i] = naive_activation(epilogue.activation, sums.data()[i] + start);
    }
    return sums;
  }
};

std::vector<Epilogue> const epilogues{{Activation::none, false}, {Activation::gelu, false}, {Activation::quick_gelu, false}, {Activation::relu, false}, {Activation::none, true}};
std::vector<Size> const sizes{{1, 48, 192}, {7, 37, 29}, {65, 192, 50}, {33, 193, 1}, {70, 64, 300}, {3, 1, 5}, {9, 770, 66}};

template <class Exec, class X, class Y>
void compare_with_loops() {
  for (Size const size : sizes) {
    for (bool const with_bias : {true, false}) {
      Layer<X, Y> const layer(size, with_bias);
      auto const sums = layer.sums();
      for (int const threads : {1, 2}) {
        Exec const exec{.threads = threads, .precision = precision_of<X>};
        auto const packed = kernels::pack(exec, layer.weight, layer.bias);
        CHECK(packed.inputs() == size.inputs);
        CHECK(packed.outputs() == size.outputs);
        CHECK(packed.precision() == exec.precision);
        for (Epilogue const epilogue : epilogues) {
          CAPTURE(threads);
          CAPTURE(size.rows);
          CAPTURE(size.inputs);
          CAPTURE(size.outputs);
          CAPTURE(static_cast<int>(epilogue.activation));
          CAPTURE(epilogue.accumulate);
          auto y = layer.before;
          kernels::product(exec, layer.x.view(), packed, epilogue, y.view());
          // Inputs are compared as rounded, so only a stored bfloat16 brings its own rounding.
          CHECK(relative_difference(y, layer.finished(sums, epilogue)) <= tolerance<Y>(Kind::product));
        }
      }
    }
  }
}

/// The rows alone, in batches of several sizes, in reverse and with other numbers of threads.
template <class Exec, class X, class Y>
void compare_bits_across_batches(Size size, Epilogue epilogue) {
  CAPTURE(size.inputs);
  CAPTURE(size.outputs);
  CAPTURE(static_cast<int>(epilogue.activation));
  Layer<X, Y> const layer(size, true);
  Exec const whole{.threads = 2, .precision = precision_of<X>};
  auto const packed = kernels::pack(whole, layer.weight, layer.bias);
  auto want = layer.before;
  kernels::product(whole, layer.x.view(), packed, epilogue, want.view());
  for (int const threads : {1, 2, 16}) {
    Exec const exec{.threads = threads, .precision = precision_of<X>};
    for (Index const batch : {Index{1}, Index{7}, Index{31}, Index{32}, Index{64}, size.rows}) {
      CAPTURE(threads);
      CAPTURE(batch);
      auto got = layer.before;
      for (Index first = 0; first < size.rows; first += batch) {
        Index const rows = std::min(batch, size.rows - first);
        kernels::product(exec, layer.x.view().slice(first, rows), packed, epilogue, got.view().slice(first, rows));
      }
      CHECK(same_bits(got, want));
    }
  }
  std::vector<Index> backwards;
  for (Index i = size.rows; i-- > 0;) { backwards.push_back(i); }
  auto got = chosen_rows(layer.before, backwards);
  kernels::product(whole, chosen_rows(layer.x, backwards).view(), packed, epilogue, got.view());
  CHECK(same_bits(got, chosen_rows(want, backwards)));
}

template <class Exec, class X, class Y>
void compare_bits_at_typical_sizes() {
  compare_bits_across_batches<Exec, X, Y>({131, 192, 300}, {});
  compare_bits_across_batches<Exec, X, Y>({131, 192, 768}, {Activation::gelu, false});
  compare_bits_across_batches<Exec, X, Y>({66, 3072, 40}, {Activation::none, true});
  compare_bits_across_batches<Exec, X, Y>({70, 37, 3}, {Activation::quick_gelu, false});
}
}  // namespace

TEST_CASE_TEMPLATE("a product equals the sum of products, with every epilogue", Exec, ACCRETE_HOST_EXECUTORS) {
  compare_with_loops<Exec, float, float>();
  compare_with_loops<Exec, float, bfloat16>();
  compare_with_loops<Exec, bfloat16, float>();
  compare_with_loops<Exec, bfloat16, bfloat16>();
}

TEST_CASE_TEMPLATE("a row of a product has the same bits alone, in any batch, in any order, with any threads", Exec, ACCRETE_HOST_EXECUTORS) {
  compare_bits_at_typical_sizes<Exec, float, float>();
  compare_bits_at_typical_sizes<Exec, bfloat16, float>();
  compare_bits_at_typical_sizes<Exec, bfloat16, bfloat16>();
}

TEST_CASE_TEMPLATE("rows at a distance give the bits of dense rows and leave what lies between", Exec, ACCRETE_HOST_EXECUTORS) {
  for (Epilogue const epilogue : epilogues) {
    CAPTURE(static_cast<int>(epilogue.activation));
    CAPTURE(epilogue.accumulate);
    Layer<float, float> const layer({300, 64, 48}, true);
    Exec const exec{.threads = 2};
    auto const packed = kernels::pack(exec, layer.weight, layer.bias);
    auto dense = layer.before;
    kernels::product(exec, layer.x.view(), packed, epilogue, dense.view());

    auto wide_x = normal<float>(5, Shape<2>{300, 64 + 9});
    auto wide_y = normal<float>(6, Shape<2>{300, 48 + 5});
    for (Index i = 0; i < 300; ++i) {
      std::copy(layer.x[i].begin(), layer.x[i].end(), wide_x[i].begin() + 3);
      std::copy(layer.before[i].begin(), layer.before[i].end(), wide_y[i].begin() + 2);
    }
    auto const untouched = wide_y;
    kernels::product(exec, columns(wide_x.view(), 3, 64), packed, epilogue, columns(wide_y.view(), 2, 48));
    bool rows_agree = true;
    bool rest_stays = true;
    for (Index i = 0; i < 300; ++i) {
      rows_agree = rows_agree && std::equal(dense[i].begin(), dense[i].end(), wide_y[i].begin() + 2);
      for (Index const j : {0, 1, 50, 51, 52}) { rest_stays = rest_stays && wide_y(i, j) == untouched(i, j); }
    }
    CHECK(rows_agree);
    CHECK(rest_stays);
  }
}

TEST_CASE_TEMPLATE("activations are those of the reference", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const values = golden("kernels");
  auto const input = values.template read<float, 1>("activation.input");
  // The identity as weight: what is left is the activation.
  Matrix<float> one({1, 1});
  one(0, 0) = 1.0F;
  Exec const exec;
  auto const packed = kernels::pack(exec, one, Vector<float>());
  Vector<float> y(input.shape());
  for (Activation const activation : {Activation::gelu, Activation::quick_gelu}) {
    std::string const name = activation == Activation::gelu ? "activation.gelu" : "activation.quick_gelu";
    CAPTURE(name);
    kernels::product(exec, MatrixView<float const>(input.data(), {input.size(), 1}), packed, {activation, false}, MatrixView<float>(y.data(), {y.size(), 1}));
    auto const want = values.template read<double, 1>(name);
    double largest = 0.0;
    for (Index i = 0; i < y.size(); ++i) { largest = std::max(largest, std::abs(static_cast<double>(y(i)) - want(i)) / std::max(1.0, std::abs(want(i)))); }
    CHECK(largest <= tolerance<float>(Kind::elementwise));
  }
}

TEST_CASE_TEMPLATE("NaN and infinity reach their own row and no other", Exec, ACCRETE_HOST_EXECUTORS) {
  Layer<float, float> layer({40, 32, 16}, true);
  Exec const exec;
  auto const packed = kernels::pack(exec, layer.weight, layer.bias);
  Matrix<float> want({40, 16});
  kernels::product(exec, layer.x.view(), packed, {Activation::gelu, false}, want.view());
  layer.x(5, 3) = std::nanf("");
  layer.x(39, 0) = std::numeric_limits<float>::infinity();
  Matrix<float> got({40, 16});
  kernels::product(exec, layer.x.view(), packed, {Activation::gelu, false}, got.view());
  for (float const y : got[5]) { CHECK(std::isnan(y)); }
  for (Index i = 0; i < 39; ++i) {
    if (i != 5) { CHECK(same_bits(got[i], want[i])); }
  }
}

TEST_CASE_TEMPLATE("a product of no rows touches nothing, and wrong extents or scalars are named", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  Matrix<float> const weight = normal<float>(7, Shape<2>{3, 4});
  auto const packed = kernels::pack(exec, weight, Vector<float>());
  kernels::product(exec, MatrixView<float const>(nullptr, {0, 4}), packed, {}, MatrixView<float>(nullptr, {0, 3}));
  Matrix<float> x = Matrix<float>::zeros({2, 4});
  Matrix<float> y = Matrix<float>::zeros({2, 3});
  Matrix<float> narrow = Matrix<float>::zeros({2, 2});
  CHECK_THROWS_WITH_AS(kernels::product(exec, x.view(), packed, {}, narrow.view()), doctest::Contains("2, 3"), ShapeError);
  CHECK_THROWS_AS(kernels::product(exec, y.view(), packed, {}, y.view()), ShapeError);
  CHECK_THROWS_AS(kernels::product(exec, x.view(), packed, {Activation::relu, true}, y.view()), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(kernels::pack(exec, weight, Vector<float>::zeros({4}))), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(kernels::pack(exec, Matrix<float>(), Vector<float>())), ShapeError);
  auto half = in_scalar<bfloat16>(x);
  CHECK_THROWS_WITH_AS(kernels::product(exec, half.view(), packed, {}, y.view()), doctest::Contains("bfloat16"), ValueError);
}

TEST_CASE_TEMPLATE("packed weights outlive their source and their copies share them", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec{.threads = 1};
  Layer<float, float> const layer({9, 20, 30}, true);
  typename Exec::PackedWeights copy;
  CHECK(copy.inputs() == 0);
  CHECK(copy.outputs() == 0);
  {
    Matrix<float> weight = layer.weight;
    auto const packed = kernels::pack(exec, weight, layer.bias);
    std::fill(weight.begin(), weight.end(), 0.0F);
    copy = packed;
  }
  Matrix<float> y({9, 30});
  kernels::product(exec, layer.x.view(), copy, {}, y.view());
  CHECK(relative_difference(y, layer.sums()) <= tolerance<float>(Kind::product));
}

TEST_CASE_TEMPLATE("a weight given by its inputs' rows makes the product of the transposed one", Exec, ACCRETE_HOST_EXECUTORS) {
  for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
    CAPTURE(name_of(precision));
    Exec const exec{.threads = 2, .precision = precision};
    for (Size const size : sizes) {
      auto const weight = normal<float>(2, Shape<2>{size.outputs, size.inputs});
      auto const bias = normal<float>(3, Shape<1>{size.outputs});
      auto const by_outputs = kernels::pack(exec, weight, bias);
      auto const by_inputs = kernels::pack(exec, transposed(weight), bias, WeightOrder::input_rows);
      CHECK(by_inputs.inputs() == size.inputs);
      CHECK(by_inputs.outputs() == size.outputs);
      CHECK(by_inputs.has_bias());
      Matrix<float> want({size.rows, size.outputs});
      Matrix<float> got(want.shape());
      auto const multiply = [&](auto const& x) {
        kernels::product(exec, x.view(), by_outputs, {}, want.view());
        kernels::product(exec, x.view(), by_inputs, {}, got.view());
      };
      auto const x = normal<float>(1, Shape<2>{size.rows, size.inputs});
      if (precision == Precision::float32) {
        multiply(x);
      } else {
        multiply(in_scalar<bfloat16>(x));
      }
      CHECK(same_bits(got, want));
    }
  }
  CHECK_THROWS_AS(static_cast<void>(kernels::pack(Exec{}, Matrix<float>::zeros({3, 4}), Vector<float>::zeros({3}), WeightOrder::input_rows)), ShapeError);
}

TEST_CASE_TEMPLATE("packing again gives the bits of a fresh weight, to copies too, from either order", Exec, ACCRETE_HOST_EXECUTORS) {
  for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
    CAPTURE(name_of(precision));
    Exec const exec{.threads = 2, .precision = precision};
    auto const old_weight = normal<float>(2, Shape<2>{70, 33});
    auto const weight = normal<float>(8, Shape<2>{70, 33});
    auto const bias = normal<float>(9, Shape<1>{70});
    auto const fresh = kernels::pack(exec, weight, bias);
    for (WeightOrder const order : {WeightOrder::output_rows, WeightOrder::input_rows}) {
      auto packed = kernels::pack(exec, old_weight, normal<float>(3, Shape<1>{70}));
      auto const copy = packed;
      kernels::repack(Exec{.threads = 1}, order == WeightOrder::output_rows ? weight : transposed(weight), bias, order, packed);
      CHECK(packed.precision() == precision);
      auto const x = normal<float>(1, Shape<2>{21, 33});
      Matrix<float> want({21, 70});
      Matrix<float> got(want.shape());
      auto const multiply = [&](auto const& rows) {
        kernels::product(exec, rows.view(), fresh, {}, want.view());
        kernels::product(exec, rows.view(), copy, {}, got.view());
      };
      if (precision == Precision::float32) {
        multiply(x);
      } else {
        multiply(in_scalar<bfloat16>(x));
      }
      CHECK(same_bits(got, want));
    }
    auto packed = kernels::pack(exec, weight, Vector<float>());
    CHECK_FALSE(packed.has_bias());
    CHECK_THROWS_WITH_AS(kernels::repack(exec, weight, bias, WeightOrder::output_rows, packed), doctest::Contains("bias"), ShapeError);
    CHECK_THROWS_WITH_AS(kernels::repack(exec, weight, Vector<float>(), WeightOrder::input_rows, packed), doctest::Contains("70, 33"), ShapeError);
  }
}

TEST_CASE("Eigen multiplies double in double, with every epilogue, from weights of either scalar") {
  using Exec = HostExecutor<EigenProducts>;
  for (Size const size : sizes) {
    Layer<float, float> const layer(size, true);
    auto const x = in_scalar<double>(layer.x);
    auto const weight = in_scalar<double>(layer.weight);
    for (int const threads : {1, 2}) {
      auto const packed = kernels::pack(Exec{.threads = threads}, weight, in_scalar<double>(layer.bias));
      CHECK(packed.precision() == Precision::float64);
      auto from_float = kernels::pack(Exec{.threads = threads, .precision = Precision::float64}, layer.weight, Vector<float>::zeros({size.outputs}));
      kernels::repack(Exec{}, transposed(weight), in_scalar<double>(layer.bias), WeightOrder::input_rows, from_float);
      for (Epilogue const epilogue : epilogues) {
        CAPTURE(static_cast<int>(epilogue.activation));
        auto y = in_scalar<double>(layer.before);
        auto same = y;
        kernels::product(Exec{.threads = threads}, x.view(), packed, epilogue, y.view());
        kernels::product(Exec{.threads = threads}, x.view(), from_float, epilogue, same.view());
        CHECK(relative_difference(y, layer.finished(layer.sums(), epilogue)) <= tolerance<double>(Kind::product));
        CHECK(same_bits(y, same));
      }
      CHECK_THROWS_WITH_AS(kernels::product(Exec{}, layer.x.view(), packed, {}, Matrix<float>(layer.before.shape()).view()), doctest::Contains("float64"), ValueError);
    }
  }
}

#if ACCRETE_WITH_ONEDNN
TEST_CASE("oneDNN refuses to pack in float64") {
  HostExecutor<OneDnn> const exec{.precision = Precision::float64};
  CHECK_THROWS_WITH_AS(static_cast<void>(kernels::pack(exec, Matrix<float>::zeros({2, 2}), Vector<float>())), doctest::Contains("float64"), ValueError);
}
#endif

}  // namespace accrete::test::product_test
