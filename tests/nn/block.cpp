#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/tolerances.hpp"
#include "toy_block.hpp"

#include <accrete/nn/block.hpp>

#include <doctest/doctest.h>

namespace accrete::test::block_test {

namespace {
constexpr Index batch = 3;
constexpr Index tokens = 9;

Matrix<double> flat(Tensor<float, 3> const& x) { return naive::widened(x.cview().reshaped<2>({batch * tokens, ToyBlock::width})); }
}  // namespace

TEST_CASE_TEMPLATE("a block is norm, attention, norm, perceptron, each branch added", Exec, ACCRETE_HOST_EXECUTORS) {
  ToyBlock const toy;
  auto const x = drawn<3>("x", {batch, tokens, ToyBlock::width});
  naive::Prefix const prefix{rounded(drawn<3>("k", {1, 4, ToyBlock::width})), rounded(drawn<3>("v", {1, 4, ToyBlock::width}))};
  auto const check = [&](auto scalar, Exec const& exec, bool with_prefix) {
    using T = decltype(scalar);
    Matrix<float> k({4, ToyBlock::width});
    Matrix<float> v({4, ToyBlock::width});
    std::copy(prefix.k.begin(), prefix.k.end(), k.begin());
    std::copy(prefix.v.begin(), prefix.v.end(), v.begin());
    auto const keys = in_scalar<T>(k);
    auto const values = in_scalar<T>(v);
    auto const given = with_prefix ? kernels::KeyValuePrefix<T>{keys.cview(), values.cview(), 4} : kernels::KeyValuePrefix<T>{};
    auto stream = x;
    typename nn::Block<Exec>::Scratch const scratch;
    toy.block(exec).template forward<T>(exec, given, stream, scratch);
    auto const expected = toy.naive_block(flat(x), batch, with_prefix ? prefix : naive::Prefix{});
    CHECK(relative_difference(stream.cview().template reshaped<2>({batch * tokens, ToyBlock::width}), expected) <= tolerance<T>(Kind::attention));
  };
  for (bool const with_prefix : {false, true}) {
    check(float{}, Exec{.threads = 2}, with_prefix);
    check(bfloat16{}, Exec{.threads = 2, .precision = Precision::bfloat16}, with_prefix);
  }
}

TEST_CASE_TEMPLATE("the first rows alone are what they are among all rows, and the others stay", Exec, ACCRETE_HOST_EXECUTORS) {
  ToyBlock const toy;
  Exec const exec;
  auto const x = drawn<3>("x", {batch, tokens, ToyBlock::width});
  auto const expected = toy.naive_block(flat(x), batch);
  typename nn::Block<Exec>::Scratch const scratch;
  for (Index const rows : {Index{1}, Index{2}}) {
    auto stream = x;
    toy.block(exec, true).template forward_rows<float>(exec, rows, stream, scratch);
    for (Index b = 0; b < batch; ++b) {
      for (Index t = 0; t < tokens; ++t) {
        if (t >= rows) {
          CHECK(same_bits(stream[b][t], x[b][t]));
          continue;
        }
        Vector<double> row({ToyBlock::width});
        std::copy(expected[b * tokens + t].begin(), expected[b * tokens + t].end(), row.begin());
        CHECK(relative_difference(stream[b][t], row) <= tolerance<float>(Kind::attention));
      }
    }
  }
}

TEST_CASE("a second pass of the same size takes no new working memory") {
  ToyBlock const toy;
  HostExecutor<> const exec;
  auto const block = toy.block(exec, true);
  auto x = drawn<3>("x", {batch, tokens, ToyBlock::width});
  nn::Block<HostExecutor<>>::Scratch const scratch;
  block.forward<float>(exec, {}, x, scratch);
  block.forward_rows<float>(exec, 1, x, scratch);
  auto const bytes = scratch.bytes();
  block.forward<float>(exec, {}, x, scratch);
  block.forward_rows<float>(exec, 1, x, scratch);
  CHECK(scratch.bytes() == bytes);
}

}  // namespace accrete::test::block_test
