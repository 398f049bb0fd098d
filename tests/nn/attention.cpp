#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/tolerances.hpp"
#include "toy_block.hpp"

#include <accrete/nn/attention.hpp>

#include <doctest/doctest.h>

namespace accrete::test::attention_test {

namespace {

/// x += attention(z) of the layer.
template <class T, class Exec>
Matrix<float> run(Exec const& exec, ToyBlock const& toy, bool apart, Matrix<float> const& z, Matrix<float> x, Index batch, naive::Prefix const& prefix = {}) {
  auto const layer = toy.attention(exec, apart);
  CHECK(layer.apart() == apart);
  auto input = in_scalar<T>(z);
  Matrix<T> qkv({z.extent(0), 3 * ToyBlock::width});
  Index const length = prefix.k.extent(1);
  auto const flat = [&](Tensor<float, 3> const& rows) {
    Matrix<float> all({rows.extent(0) * length, ToyBlock::width});
    std::copy(rows.begin(), rows.end(), all.begin());
    return in_scalar<T>(all);
  };
  auto const k = length == 0 ? Matrix<T>() : flat(prefix.k);
  auto const v = length == 0 ? Matrix<T>() : flat(prefix.v);
  ScratchPool<HostMemory> const scratch;
  layer.forward(exec, input.view(), qkv.view(), kernels::KeyValuePrefix<T>{k.cview(), v.cview(), length}, batch, RowsView<float>(x.view()), scratch);
  return x;
}

}  // namespace

TEST_CASE_TEMPLATE("attention adds what the loops add, with queries packed together or apart, with and without prefixes", Exec, ACCRETE_HOST_EXECUTORS) {
  ToyBlock const toy;
  Index const batch = 3;
  auto const z = rounded(drawn<2>("z", {batch * 7, ToyBlock::width}));
  auto const x = drawn<2>("x", {batch * 7, ToyBlock::width});
  naive::Prefix const none;
  naive::Prefix const shared{rounded(drawn<3>("k", {1, 4, ToyBlock::width})), rounded(drawn<3>("v", {1, 4, ToyBlock::width}))};
  naive::Prefix const own{rounded(drawn<3>("k each", {batch, 5, ToyBlock::width})), rounded(drawn<3>("v each", {batch, 5, ToyBlock::width}))};
  for (auto const* const prefix : {&none, &shared, &own}) {
    auto const expected = naive::sum(naive::widened(x), toy.naive_attention(naive::widened(z), batch, *prefix));
    for (bool const apart : {false, true}) {
      CHECK(relative_difference(run<float>(Exec{.threads = 2}, toy, apart, z, x, batch, *prefix), expected) <= tolerance<float>(Kind::attention));
      CHECK(relative_difference(run<bfloat16>(Exec{.threads = 2, .precision = Precision::bfloat16}, toy, apart, z, x, batch, *prefix), expected) <= tolerance<bfloat16>(Kind::attention));
    }
  }
}

TEST_CASE_TEMPLATE("one row of each sequence is what it is among all rows", Exec, ACCRETE_HOST_EXECUTORS) {
  ToyBlock const toy;
  Exec const exec;
  Index const batch = 3;
  Index const tokens = 7;
  auto const z = drawn<2>("z", {batch * tokens, ToyBlock::width});
  auto const x = drawn<2>("x", {batch * tokens, ToyBlock::width});
  auto const all = run<float>(exec, toy, true, z, x, batch);
  auto const layer = toy.attention(exec, true);
  auto input = z;
  Matrix<float> key_value({batch * tokens, 2 * ToyBlock::width});
  layer.project_keys(exec, input.view(), key_value.view());
  Matrix<float> row({batch, ToyBlock::width});
  Matrix<float> query({batch, ToyBlock::width});
  Matrix<float> stream({batch, ToyBlock::width});
  Matrix<float> expected({batch, ToyBlock::width});
  for (Index b = 0; b < batch; ++b) {
    std::copy(z[b * tokens + 2].begin(), z[b * tokens + 2].end(), row[b].begin());
    std::copy(x[b * tokens + 2].begin(), x[b * tokens + 2].end(), stream[b].begin());
    std::copy(all[b * tokens + 2].begin(), all[b * tokens + 2].end(), expected[b].begin());
  }
  layer.forward_row(exec, row.view(), query.view(), key_value.view(), RowsView<float>(stream.view()));
  CHECK(relative_difference(stream, expected) <= tolerance<float>(Kind::attention));
}

}  // namespace accrete::test::attention_test
