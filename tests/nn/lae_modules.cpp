#include "support/executors.hpp"
#include "support/tolerances.hpp"

#include <accrete/nn/trained_bottleneck.hpp>
#include <accrete/nn/trained_linear.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace accrete::test::lae_modules_test {

// Numbers worked out by hand in mixture-methods.md §2.10.
namespace {

void put(ParameterStore<float>& store, std::string const& name, std::vector<Index> shape, std::vector<float> const& values) {
  Index const rows = shape.front();
  store.add({.name = name, .shape = std::move(shape), .role = "backbone", .trainable_rows = rows});
  std::copy(values.begin(), values.end(), store.values().data() + store.offset(name));
}

Matrix<float> row(std::vector<float> const& values) {
  Matrix<float> x({1, static_cast<Index>(values.size())});
  std::copy(values.begin(), values.end(), x.begin());
  return x;
}

}  // namespace

TEST_CASE_TEMPLATE("low-rank parts with scales add to keys and values of a packed layer, not to queries", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  ParameterStore<float> store;
  put(store, "qkv.lora_k.a", {1, 2}, {1, 2});
  put(store, "qkv.lora_k.b", {2, 1}, {1, 0});
  put(store, "qkv.lora_k.scale", {1}, {1});
  put(store, "qkv.lora_v.a", {1, 2}, {0, 1});
  put(store, "qkv.lora_v.b", {2, 1}, {2, 3});
  put(store, "qkv.lora_v.scale", {1}, {0.5});
  auto const published = [](std::string const& name) {
    Vector<float> values({name == "qkv.weight" ? 12 : 0});
    for (Index i = 0; i < values.size(); ++i) { values(i) = static_cast<float>(i); }
    return values;
  };
  nn::TrainedLinear<Exec, float> const layer(exec, nn::LayerParameters<float>(published, store), {"qkv", 6, 2, 0, 6});
  ScratchPool<HostMemory> const scratch;
  auto x = row({1, 1});
  Matrix<float> y({1, 6});
  layer.forward(exec, RowsView<float>(x.view()), RowsView<float>(), RowsView<float>(y.view()), false, scratch);
  std::vector<double> const want{1, 5, 12, 13, 18, 22.5};
  for (std::size_t i = 0; i < want.size(); ++i) { CHECK(static_cast<double>(y(0, static_cast<Index>(i))) == doctest::Approx(want[i]).epsilon(tolerance<float>(Kind::product))); }

  // ds_k = dy_k^T B_k A_k x = dy_k(0) 3,  ds_v = dy_v^T B_v A_v x = 2 dy_v(0) + 3 dy_v(1);  dB = s dy (A x)
  auto gradients = Vector<float>::zeros({store.values().size()});
  auto dy = row({7, 7, 2, 5, 0.25, 0.5});
  layer.accumulate(exec, RowsView<float>(x.view()), RowsView<float>(), RowsView<float>(dy.view()), gradients.view(), scratch);
  auto const got = [&](char const* name, Index i) { return static_cast<double>(gradients(store.offset(name) + i)); };
  CHECK(got("qkv.lora_k.scale", 0) == doctest::Approx(6.0));
  CHECK(got("qkv.lora_v.scale", 0) == doctest::Approx(2.0));
  CHECK(got("qkv.lora_k.b", 1) == doctest::Approx(15.0));
  CHECK(got("qkv.lora_v.b", 0) == doctest::Approx(0.125));
}

TEST_CASE_TEMPLATE("a bottleneck with a scale of 1 adds GELU(1.5) (2, -1) = (2.799578, -1.399789), and its scale has a gradient", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  for (float const scale : {1.0F, 2.0F, 0.0F}) {
    CAPTURE(scale);
    ParameterStore<float> store;
    put(store, "a.down.weight", {1, 2}, {1, 1});
    put(store, "a.down.bias", {1}, {0});
    put(store, "a.up.weight", {2, 1}, {2, -1});
    put(store, "a.up.bias", {2}, {0, 0});
    put(store, "a.scale", {1}, {scale});
    nn::TrainedBottleneck<Exec, float> const adapter(exec, nn::LayerParameters<float>([](std::string const&) { return Vector<float>(); }, store), "a",
                                                     {nn::BottleneckPlace::parallel, 1.0, 0.0, kernels::Activation::gelu});
    ScratchPool<HostMemory> const scratch;
    auto x = row({1, 0.5});
    auto y = row({0, 0});
    Matrix<float> pre({1, 1});
    adapter.forward(exec, RowsView<float>(x.view()), pre.view(), 1, {}, RowsView<float>(y.view()), scratch);
    CHECK(static_cast<double>(y(0, 0)) == doctest::Approx(static_cast<double>(scale) * 2.799578).epsilon(1e-6));
    CHECK(static_cast<double>(y(0, 1)) == doctest::Approx(static_cast<double>(scale) * -1.399789).epsilon(1e-6));

    auto dy = row({3, 1});
    Matrix<float> d_pre({1, 1});
    auto gradients = Vector<float>::zeros({store.values().size()});
    adapter.backward(exec, RowsView<float>(dy.view()), pre.view(), 1, {}, d_pre.view(), RowsView<float>());
    adapter.accumulate(exec, RowsView<float>(x.view()), RowsView<float>(dy.view()), pre.view(), 1, {}, d_pre.view(), gradients.view(), scratch);
    CHECK(static_cast<double>(gradients(store.offset("a.scale"))) == doctest::Approx(3 * 2.799578 - 1.399789).epsilon(1e-6));  // whatever the scale is, 0 as well
    CHECK(static_cast<double>(gradients(store.offset("a.up.weight"))) == doctest::Approx(static_cast<double>(scale) * 3 * 1.399789).epsilon(1e-6));
  }
}

}  // namespace accrete::test::lae_modules_test
