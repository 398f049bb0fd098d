#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace accrete::test::tokens_test {

TEST_CASE_TEMPLATE("patches lie row by row with channel, line and column in that order", Exec, ACCRETE_HOST_EXECUTORS) {
  for (int const threads : {1, 2}) {
    Exec const exec{.threads = threads};
    for (auto const& size : {std::array<Index, 3>{4, 8, 12}, {3, 10, 7}, {16, 48, 33}, {17, 34, 17}}) {
      Index const edge = size[0];
      Index const height = size[1];
      Index const width = size[2];
      CAPTURE(edge);
      auto const images = normal<float>(1, Shape<4>{5, 3, height, width});
      Index const down = height / edge;
      Index const across = width / edge;
      Matrix<float> want({5 * down * across, 3 * edge * edge});
      for (Index b = 0; b < 5; ++b) {
        for (Index gy = 0; gy < down; ++gy) {
          for (Index gx = 0; gx < across; ++gx) {
            for (Index c = 0; c < 3; ++c) {
              for (Index dy = 0; dy < edge; ++dy) {
                for (Index dx = 0; dx < edge; ++dx) { want((b * down + gy) * across + gx, (c * edge + dy) * edge + dx) = images(b, c, gy * edge + dy, gx * edge + dx); }
              }
            }
          }
        }
      }
      Matrix<float> got(want.shape());
      kernels::patches(exec, images, edge, got.view());
      CHECK(same_bits(got, want));
      Matrix<bfloat16> narrow(want.shape());
      kernels::patches(exec, images, edge, narrow.view());
      CHECK(same_bits(narrow, in_scalar<bfloat16>(want)));
    }
  }
}

TEST_CASE_TEMPLATE("tokens are the prefix and the patches with their positions", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (Index const prefix_rows : {0, 1, 5}) {
    auto const patches = normal<T>(2, Shape<2>{4 * 9, 37});
    auto const prefix = normal<T>(3, Shape<2>{prefix_rows, 37});
    auto const positions = normal<T>(4, Shape<2>{9, 37});
    Tensor<T, 3> tokens({4, 9 + prefix_rows, 37});
    kernels::assemble_tokens(typename Case::Executor{}, patches, prefix, positions, tokens.view());
    bool right = true;
    for (Index b = 0; b < 4; ++b) {
      for (Index t = 0; t < tokens.extent(1); ++t) {
        for (Index c = 0; c < 37; ++c) {
          Index const g = t - prefix_rows;
          right = right && tokens(b, t, c) == (t < prefix_rows ? prefix(t, c) : patches(b * 9 + g, c) + positions(g, c));
        }
      }
    }
    CHECK(right);
  }
}

TEST_CASE_TEMPLATE("extra tokens are put in or over the others where they are told, shared or one set a sequence", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  typename Case::Executor const exec{.threads = 2};
  auto const tokens = normal<T>(5, Shape<3>{6, 7, 40});
  for (Index const sets : {1, 6}) {
    auto const extra = normal<T>(6, Shape<3>{sets, 3, 40});
    for (Index const at : {0, 1, 4, 7}) {
      CAPTURE(sets);
      CAPTURE(at);
      Tensor<T, 3> longer({6, 10, 40});
      kernels::insert_tokens(exec, tokens, extra, at, longer.view());
      bool inserted = true;
      for (Index b = 0; b < 6; ++b) {
        for (Index t = 0; t < 10; ++t) {
          auto const want = t < at ? tokens[b][t] : t < at + 3 ? extra[sets == 1 ? 0 : b][t - at] : tokens[b][t - 3];
          inserted = inserted && same_bits(longer.cview()[b][t], want);
        }
      }
      CHECK(inserted);
      if (at > 4) { continue; }
      auto over = tokens;
      kernels::overwrite_tokens(exec, extra, at, over.view());
      bool written = true;
      for (Index b = 0; b < 6; ++b) {
        for (Index t = 0; t < 7; ++t) {
          auto const want = t >= at && t < at + 3 ? extra[sets == 1 ? 0 : b][t - at] : tokens[b][t];
          written = written && same_bits(over.cview()[b][t], want);
        }
      }
      CHECK(written);
    }
  }
}

TEST_CASE_TEMPLATE("the mean of tokens starts at the row it is told", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  auto const tokens = normal<T>(7, Shape<3>{3, 50, 21});
  for (Index const first : {0, 1, 49}) {
    Matrix<T> mean({3, 21});
    kernels::mean_tokens(typename Case::Executor{}, tokens, first, mean.view());
    Matrix<double> want = Matrix<double>::zeros({3, 21});
    for (Index b = 0; b < 3; ++b) {
      for (Index t = first; t < 50; ++t) {
        for (Index c = 0; c < 21; ++c) { want(b, c) += static_cast<double>(tokens(b, t, c)) / static_cast<double>(50 - first); }
      }
    }
    CHECK(relative_difference(mean, want) <= tolerance<T>(Kind::sum));
  }
}

TEST_CASE_TEMPLATE("conversion rounds to nearest even, also infinities and NaN", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec{.threads = 2};
  Vector<float> wide({50000});
  for (Index i = 0; i < wide.size(); ++i) { wide(i) = std::bit_cast<float>(static_cast<std::uint32_t>(i) * 85899U); }
  wide(1) = std::numeric_limits<float>::quiet_NaN();
  wide(2) = -std::numeric_limits<float>::infinity();
  wide(3) = std::numeric_limits<float>::max();
  wide(4) = std::bit_cast<float>(0x7F800001U);  // a signalling NaN whose upper half alone would be infinity
  Vector<bfloat16> narrow(wide.shape());
  kernels::convert(exec, wide.view(), narrow.view());
  bool rounded = true;
  for (Index i = 0; i < wide.size(); ++i) { rounded = rounded && narrow(i) == to_bfloat16(wide(i)); }
  CHECK(rounded);
  Vector<float> back(wide.shape());
  kernels::convert(exec, narrow.view(), back.view());
  bool widened = true;
  for (Index i = 0; i < wide.size(); ++i) { widened = widened && std::bit_cast<std::uint32_t>(back(i)) == std::bit_cast<std::uint32_t>(to_float(narrow(i))); }
  CHECK(widened);
  auto const exact = normal<double>(8, Shape<1>{777});
  Vector<float> single(exact.shape());
  kernels::convert(exec, exact.view(), single.view());
  CHECK(same_bits(single, in_scalar<float>(exact)));
  Vector<double> again(exact.shape());
  kernels::convert(exec, single.view(), again.view());
  CHECK(same_bits(again, in_scalar<double>(single)));
}

TEST_CASE_TEMPLATE("transfers copy", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  typename Case::Executor const exec;
  auto const x = normal<T>(9, Shape<3>{2, 3, 4});
  Tensor<T, 3> there(x.shape());
  Tensor<T, 3> back(x.shape());
  kernels::upload(exec, x.view(), there.view());
  kernels::download(exec, there.cview(), back.view());
  CHECK(same_bits(back, x));
  Tensor<T, 3> other({2, 4, 3});
  CHECK_THROWS_AS(kernels::upload(exec, x.view(), other.view()), ShapeError);
}

TEST_CASE_TEMPLATE("token kernels name extents that do not fit", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  Tensor<float, 4> images({1, 3, 8, 8});
  Matrix<float> columns({4, 47});
  CHECK_THROWS_AS(kernels::patches(exec, images, 4, columns.view()), ShapeError);
  CHECK_THROWS_AS(kernels::patches(exec, images, 0, columns.view()), ShapeError);
  Tensor<float, 3> tokens({2, 5, 4});
  Tensor<float, 3> extra({3, 1, 4});
  Tensor<float, 3> longer({2, 6, 4});
  CHECK_THROWS_AS(kernels::insert_tokens(exec, tokens, extra, 0, longer.view()), ShapeError);
  CHECK_THROWS_AS(kernels::overwrite_tokens(exec, tokens, 1, tokens.view()), ShapeError);
  Matrix<float> mean({2, 4});
  CHECK_THROWS_AS(kernels::mean_tokens(exec, tokens, 5, mean.view()), ShapeError);
  CHECK_THROWS_AS(kernels::assemble_tokens(exec, mean, Matrix<float>(), mean, tokens.view()), ShapeError);
}

TEST_CASE_TEMPLATE("removed tokens undo inserted ones", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    auto const tokens = normal<T>(20, Shape<3>{5, 6, 37});
    auto const extra = normal<T>(21, Shape<3>{5, 4, 37});
    for (Index const at : {0, 1, 6}) {
      CAPTURE(at);
      Tensor<T, 3> longer({5, 10, 37});
      Tensor<T, 3> back(tokens.shape());
      kernels::insert_tokens(exec, tokens, extra, at, longer.view());
      kernels::remove_tokens(exec, longer, at, back.view());
      CHECK(same_bits(back, tokens));
    }
    Tensor<T, 3> shorter({5, 6, 37});
    CHECK_THROWS_AS(kernels::remove_tokens(exec, extra, 0, shorter.view()), ShapeError);
    CHECK_THROWS_AS(kernels::remove_tokens(exec, tokens, 7, shorter.view()), ShapeError);
  }
}

TEST_CASE_TEMPLATE("token sums run over the batch, and a mean's gradient reaches the rows it was taken of", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2, 16}) {
    typename Case::Executor const exec{.threads = threads};
    auto const tokens = normal<T>(22, Shape<3>{9, 7, 21});
    for (Index const first : {0, 2}) {
      auto sums = normal<T>(23, Shape<2>{4, 21});
      auto want = in_scalar<double>(sums);
      for (Index b = 0; b < 9; ++b) {
        for (Index r = 0; r < 4; ++r) {
          for (Index c = 0; c < 21; ++c) { want(r, c) += static_cast<double>(tokens(b, first + r, c)); }
        }
      }
      kernels::sum_tokens(exec, tokens, first, sums.view());
      CHECK(relative_difference(sums, want) <= tolerance<T>(Kind::elementwise));

      auto const d_mean = normal<T>(24, Shape<2>{9, 21});
      auto d_tokens = tokens;
      auto spread = in_scalar<double>(tokens);
      for (Index b = 0; b < 9; ++b) {
        for (Index r = first; r < 7; ++r) {
          for (Index c = 0; c < 21; ++c) { spread(b, r, c) += static_cast<double>(d_mean(b, c)) / static_cast<double>(7 - first); }
        }
      }
      kernels::spread_mean_tokens(exec, d_mean, first, d_tokens.view());
      CHECK(relative_difference(d_tokens, spread) <= tolerance<T>(Kind::elementwise));
    }
    Matrix<T> sums({4, 21});
    Tensor<T, 3> d_tokens(tokens.shape());
    CHECK_THROWS_AS(kernels::sum_tokens(exec, tokens, 4, sums.view()), ShapeError);
    CHECK_THROWS_AS(kernels::spread_mean_tokens(exec, sums, 0, d_tokens.view()), ShapeError);
    CHECK_THROWS_AS(kernels::spread_mean_tokens(exec, Matrix<T>({9, 21}), 7, d_tokens.view()), ShapeError);
  }
}

}  // namespace accrete::test::tokens_test
