#include "support/golden.hpp"

#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/attention.hpp>
#include <accrete/kernels/layer_norm.hpp>
#include <accrete/kernels/product.hpp>
#include <accrete/kernels/rows.hpp>

#include <doctest/doctest.h>

#include <string>

namespace accrete::test::golden_test {
namespace {

/// [B, H, N, d], as the reference keeps it, to rows [B * N, H * d].
template <class T>
Matrix<T> rows_of_heads(Tensor<T, 4> const& from) {
  Matrix<T> rows({from.extent(0) * from.extent(2), from.extent(1) * from.extent(3)});
  for (Index b = 0; b < from.extent(0); ++b) {
    for (Index h = 0; h < from.extent(1); ++h) {
      for (Index n = 0; n < from.extent(2); ++n) {
        for (Index d = 0; d < from.extent(3); ++d) { rows(b * from.extent(2) + n, h * from.extent(3) + d) = from(b, h, n, d); }
      }
    }
  }
  return rows;
}
}  // namespace

TEST_CASE_TEMPLATE("device activations equal torch's", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const file = golden("kernels");
  auto const input = file.read<float, 1>("activation.input");
  Matrix<float> one({1, 1});
  one(0, 0) = 1.0F;
  auto const identity = kernels::pack(exec, one.cview(), {});
  Matrix<float> column({input.size(), 1});
  std::copy(input.begin(), input.end(), column.begin());
  auto const x = on_device(exec, column);
  for (auto const& [activation, name] : {std::pair(kernels::Activation::gelu, "activation.gelu"), std::pair(kernels::Activation::quick_gelu, "activation.quick_gelu")}) {
    CAPTURE(name);
    Matrix<float, typename Exec::Memory> y(column.shape());
    kernels::product(exec, x.view(), identity, {.activation = activation}, y.view());
    auto const got = on_host(exec, y);
    CHECK(relative_difference(VectorView<float const>(got.data(), {got.size()}), file.read<double, 1>(name)) <= tolerance<float>(Kind::elementwise));
  }
}

TEST_CASE_TEMPLATE("device layer norms equal torch's, for each epsilon in use", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const file = golden("kernels");
  for (std::string const name : {"layer_norm", "layer_norm_constant", "layer_norm_shifted"}) {
    CAPTURE(name);
    auto const x = on_device(exec, file.read<float, 2>(name + ".input"));
    auto const gain = on_device(exec, file.read<float, 1>(name + ".weight"));
    auto const offset = on_device(exec, file.read<float, 1>(name + ".bias"));
    for (auto const& [epsilon, suffix] : {std::pair(1e-5, "eps1e-5"), std::pair(1e-6, "eps1e-6"), std::pair(1e-12, "eps1e-12")}) {
      CAPTURE(suffix);
      Matrix<float, typename Exec::Memory> y(x.shape());
      kernels::layer_norm(exec, x.view(), gain.view(), offset.view(), epsilon, y.view());
      // Inputs near 1000 have lost the digits already: tests/golden/README.md allows 2e-4 there.
      double const allowed = name == "layer_norm_shifted" ? 2e-4 : tolerance<float>(Kind::softmax);
      CHECK(relative_difference(on_host(exec, y), file.read<double, 2>(name + ".output." + suffix)) <= allowed);
    }
  }
}

TEST_CASE_TEMPLATE("device softmax, cosine and top-k equal torch's", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const file = golden("kernels");
  auto x = on_device(exec, file.read<float, 2>("softmax.input"));
  kernels::softmax(exec, x.view());
  CHECK(relative_difference(on_host(exec, x), file.read<double, 2>("softmax.output")) <= tolerance<float>(Kind::softmax));

  auto const queries = on_device(exec, file.read<float, 2>("cosine.queries"));
  auto const keys = on_device(exec, file.read<float, 2>("cosine.keys"));
  Matrix<float, typename Exec::Memory> scores({queries.extent(0), keys.extent(0)});
  kernels::cosine(exec, queries.view(), keys.view(), scores.view());
  CHECK(relative_difference(on_host(exec, scores), file.read<double, 2>("cosine.scores")) <= tolerance<float>(Kind::softmax));

  auto const ranked = on_device(exec, file.read<float, 2>("top_k.scores"));
  Matrix<Index, typename Exec::Memory> index(ranked.shape());
  Matrix<float, typename Exec::Memory> best(ranked.shape());
  kernels::topk(exec, ranked.view(), index.view(), best.view());
  CHECK(same_bits(on_host(exec, index), file.read<Index, 2>("top_k.index")));
  CHECK(same_bits(on_host(exec, best), file.read<float, 2>("top_k.value")));
}

TEST_CASE_TEMPLATE("device attention equals torch's, with and without a prefix", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const file = golden("kernels");
  auto const rows = [&](std::string const& name) { return on_device(exec, rows_of_heads(file.read<float, 4>("attention." + name))); };
  auto const q = rows("q");
  auto const k = rows("k");
  auto const v = rows("v");
  auto const prefix_k = rows("prefix_k");
  auto const prefix_v = rows("prefix_v");
  Matrix<float, typename Exec::Memory> y(q.shape());
  kernels::AttentionShape const shape{.batch = 2, .heads = 3};
  kernels::attention(exec, RowsView<float const>(q.cview()), k.cview(), v.cview(), shape, {}, RowsView<float>(y.view()));
  CHECK(relative_difference(on_host(exec, y), rows_of_heads(file.read<double, 4>("attention.output"))) <= tolerance<float>(Kind::attention));
  kernels::attention(exec, RowsView<float const>(q.cview()), k.cview(), v.cview(), shape, {prefix_k.cview(), prefix_v.cview(), 4}, RowsView<float>(y.view()));
  CHECK(relative_difference(on_host(exec, y), rows_of_heads(file.read<double, 4>("attention_prefix.output"))) <= tolerance<float>(Kind::attention));
}

}  // namespace accrete::test::golden_test
