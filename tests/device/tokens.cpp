#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/tokens.hpp>

#include <doctest/doctest.h>

#include <limits>

namespace accrete::test::tokens_test {

TEST_CASE_TEMPLATE("device patches follow the columns of a convolution's weight and leave out the border", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const images = normal<float>(60, Shape<4>{2, 3, 7, 10});  // 2 x 3 patches of 3 pixels, one row and one column over
  Matrix<float> want({2 * 6, 27});
  Index row = 0;
  for (Index image = 0; image < 2; ++image) {
    for (Index top = 0; top + 3 <= 7; top += 3) {
      for (Index left = 0; left + 3 <= 10; left += 3, ++row) {
        Index column = 0;
        for (Index channel = 0; channel < 3; ++channel) {
          for (Index dy = 0; dy < 3; ++dy) {
            for (Index dx = 0; dx < 3; ++dx) { want(row, column++) = images(image, channel, top + dy, left + dx); }
          }
        }
      }
    }
  }
  auto const there = on_device(exec, images);
  Matrix<float, typename Exec::Memory> columns({12, 27});
  kernels::patches(exec, there.view(), 3, columns.view());
  CHECK(same_bits(on_host(exec, columns), want));
  Matrix<bfloat16, typename Exec::Memory> narrow({12, 27});
  kernels::patches(exec, there.view(), 3, narrow.view());
  CHECK(same_bits(on_host(exec, narrow), in_scalar<bfloat16>(want)));
}

TEST_CASE_TEMPLATE("device tokens are the prefix, then patches plus positions", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const prefix_rows : {0, 2}) {
    auto const patches = normal<float>(61, Shape<2>{3 * 4, 5});
    auto const prefix = normal<float>(62, Shape<2>{prefix_rows, 5});
    auto const positions = normal<float>(63, Shape<2>{4, 5});
    Tensor<float, 3> want({3, prefix_rows + 4, 5});
    for (Index b = 0; b < 3; ++b) {
      for (Index j = 0; j < 5; ++j) {
        for (Index i = 0; i < prefix_rows; ++i) { want(b, i, j) = prefix(i, j); }
        for (Index i = 0; i < 4; ++i) { want(b, prefix_rows + i, j) = patches(4 * b + i, j) + positions(i, j); }
      }
    }
    auto const patches_there = on_device(exec, patches);
    auto const prefix_there = on_device(exec, prefix);
    auto const positions_there = on_device(exec, positions);
    Tensor<float, 3, typename Exec::Memory> tokens(want.shape());
    kernels::assemble_tokens(exec, patches_there.view(), prefix_there.view(), positions_there.view(), tokens.view());
    CHECK(same_bits(on_host(exec, tokens), want));
  }
}

TEST_CASE_TEMPLATE("device tokens are inserted anywhere, shared or one set a sequence", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const tokens = normal<float>(64, Shape<3>{3, 4, 5});
  auto const there = on_device(exec, tokens);
  for (Index const sets : {1, 3}) {
    for (Index const length : {0, 2}) {
      auto const extra = normal<float>(65, Shape<3>{sets, length, 5});
      auto const extra_there = on_device(exec, extra);
      for (Index const at : {0, 1, 4}) {
        Tensor<float, 3> want({3, 4 + length, 5});
        for (Index b = 0; b < 3; ++b) {
          for (Index j = 0; j < 5; ++j) {
            for (Index i = 0; i < at; ++i) { want(b, i, j) = tokens(b, i, j); }
            for (Index i = 0; i < length; ++i) { want(b, at + i, j) = extra(sets == 1 ? 0 : b, i, j); }
            for (Index i = at; i < 4; ++i) { want(b, length + i, j) = tokens(b, i, j); }
          }
        }
        Tensor<float, 3, typename Exec::Memory> longer(want.shape());
        kernels::insert_tokens(exec, there.view(), extra_there.view(), at, longer.view());
        CHECK(same_bits(on_host(exec, longer), want));
      }
    }
  }
}

/// Rows 1 and 2 of every sequence, shared or one set a sequence.
template <class T, class Exec>
void check_overwriting(Exec const& exec) {
  auto const tokens = in_scalar<T>(normal<float>(66, Shape<3>{3, 6, 5}));
  for (Index const sets : {1, 3}) {
    auto const extra = in_scalar<T>(normal<float>(67, Shape<3>{sets, 2, 5}));
    auto want = tokens;
    for (Index b = 0; b < 3; ++b) {
      for (Index i = 0; i < 2; ++i) {
        for (Index j = 0; j < 5; ++j) { want(b, 1 + i, j) = extra(sets == 1 ? 0 : b, i, j); }
      }
    }
    auto there = on_device(exec, tokens);
    auto const extra_there = on_device(exec, extra);
    kernels::overwrite_tokens(exec, extra_there.view(), 1, there.view());
    CHECK(same_bits(on_host(exec, there), want));
  }
}

TEST_CASE_TEMPLATE("device tokens are overwritten where asked and nowhere else", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  check_overwriting<float>(exec);
  check_overwriting<bfloat16>(exec);
}

TEST_CASE_TEMPLATE("the mean of device tokens is that of the rows from the first on", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const rows : {1, 40}) {
    auto const tokens = normal<float>(68, Shape<3>{2, rows + 1, 7});
    Matrix<double> want({2, 7});
    for (Index b = 0; b < 2; ++b) {
      for (Index j = 0; j < 7; ++j) {
        want(b, j) = 0;
        for (Index i = 1; i <= rows; ++i) { want(b, j) += static_cast<double>(tokens(b, i, j)) / static_cast<double>(rows); }
      }
    }
    auto const there = on_device(exec, tokens);
    Matrix<float, typename Exec::Memory> mean({2, 7});
    kernels::mean_tokens(exec, there.view(), 1, mean.view());
    CHECK(relative_difference(on_host(exec, mean), want) <= tolerance<float>(Kind::sum));
    auto const there_in_double = on_device(exec, in_scalar<double>(tokens));
    Matrix<double, typename Exec::Memory> mean_in_double({2, 7});
    kernels::mean_tokens(exec, there_in_double.view(), 1, mean_in_double.view());
    CHECK(relative_difference(on_host(exec, mean_in_double), want) <= tolerance<double>(Kind::sum));
  }
}

TEST_CASE_TEMPLATE("device conversions round to nearest even and widen exactly", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto wide = normal<float>(69, Shape<1>{70});
  wide(0) = 1.00390625F;  // halfway between 1 and the next bfloat16: to even, down
  wide(1) = 1.01171875F;  // halfway: to even, up
  wide(2) = std::numeric_limits<float>::infinity();
  wide(3) = 3.4e38F;  // beyond the largest bfloat16
  wide(4) = 1e-40F;   // a subnormal
  Vector<bfloat16, typename Exec::Memory> narrow({70});
  auto const there = on_device(exec, wide);
  kernels::convert(exec, there.view(), narrow.view());
  auto const got = on_host(exec, narrow);
  CHECK(got(0).bits == 0x3F80);
  CHECK(got(1).bits == 0x3F82);
  CHECK(got(2).bits == 0x7F80);
  CHECK(got(3).bits == 0x7F80);
  CHECK(same_bits(got, in_scalar<bfloat16>(wide)));
  Vector<float, typename Exec::Memory> back({70});
  kernels::convert(exec, narrow.view(), back.view());
  CHECK(same_bits(on_host(exec, back), in_scalar<float>(got)));
  Vector<double, typename Exec::Memory> wider({70});
  kernels::convert(exec, there.view(), wider.view());
  CHECK(same_bits(on_host(exec, wider), in_scalar<double>(wide)));
  kernels::convert(exec, wider.view(), back.view());
  CHECK(same_bits(on_host(exec, back), wide));
}

TEST_CASE_TEMPLATE("what a device inserted it removes, and sums over the batch in ascending order", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const longer = normal<double>(270, Shape<3>{3, 6, 5});
  auto const there = on_device(exec, longer);
  for (Index const at : {0, 1, 4}) {
    Tensor<double, 3> want({3, 4, 5});
    Matrix<double> sums({2, 5});
    for (Index j = 0; j < 5; ++j) {
      for (Index i = 0; i < 4; ++i) {
        for (Index b = 0; b < 3; ++b) { want(b, i, j) = longer(b, i < at ? i : i + 2, j); }
      }
      for (Index i = 0; i < 2; ++i) { sums(i, j) = 1.0 + longer(0, at + i, j) + longer(1, at + i, j) + longer(2, at + i, j); }
    }
    Tensor<double, 3, typename Exec::Memory> shorter(want.shape());
    kernels::remove_tokens(exec, there.view(), at, shorter.view());
    CHECK(same_bits(on_host(exec, shorter), want));
    Matrix<double> ones({2, 5});
    std::fill(ones.begin(), ones.end(), 1.0);
    auto added = on_device(exec, ones);
    kernels::sum_tokens(exec, there.view(), at, added.view());
    CHECK(relative_difference(on_host(exec, added), sums) <= tolerance<double>(Kind::sum));
  }
}

TEST_CASE_TEMPLATE("a device spreads the gradient of a mean over its rows", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const before = normal<float>(271, Shape<3>{2, 5, 3});
  auto const d_mean = normal<float>(272, Shape<2>{2, 3});
  auto const d_there = on_device(exec, d_mean);
  for (Index const first : {0, 2, 4}) {
    auto want = in_scalar<double>(before);
    for (Index b = 0; b < 2; ++b) {
      for (Index i = first; i < 5; ++i) {
        for (Index j = 0; j < 3; ++j) { want(b, i, j) += static_cast<double>(d_mean(b, j)) / static_cast<double>(5 - first); }
      }
    }
    auto there = on_device(exec, before);
    kernels::spread_mean_tokens(exec, d_there.view(), first, there.view());
    CHECK(relative_difference(on_host(exec, there), want) <= tolerance<float>(Kind::elementwise));
  }
}

}  // namespace accrete::test::tokens_test
