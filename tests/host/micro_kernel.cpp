#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/micro_kernel.hpp>

#include <doctest/doctest.h>

namespace accrete::test::micro_kernel_test {

TEST_CASE_TEMPLATE("the block kernel multiplies like three loops, for every width and both ways to read its scalars", T, float, double) {
  constexpr Index lanes = host::simd::lanes<T>;
  constexpr Index step = 48;
  for (Index const vectors : {1, 2, 3, 4, 5, 7}) {
    for (Index const depth : {1, 48, 193}) {
      Index const rows = 2 * host::micro::block_rows;
      Index const columns = vectors * lanes;
      auto const a = random_matrix<T>(depth, rows, 1);
      auto const b = random_matrix<T>(depth, columns, 2);
      auto const start = random_matrix<T>(rows, columns, 3);
      auto want = naive_product(transposed(a), b);
      for (Index i = 0; i < want.size(); ++i) { want.data()[i] = static_cast<double>(start.data()[i]) - want.data()[i]; }

      Matrix<T> across = start;
      host::micro::multiply<T, 1>(rows, columns, depth, T(-1), {a.data(), rows}, {b.data(), columns}, across.data(), columns);
      CHECK(relative_difference(across, want) <= tolerance<T>(Kind::product));

      auto wide = Matrix<T>::zeros({rows, step});
      if (depth > step) { continue; }
      for (Index i = 0; i < rows; ++i) {
        for (Index k = 0; k < depth; ++k) { wide(i, k) = a(k, i); }
      }
      Matrix<T> along = start;
      host::micro::multiply<T, step>(rows, columns, depth, T(-1), {wide.data(), 1}, {b.data(), columns}, along.data(), columns);
      CHECK(same_bits(along, across));
    }
  }
}

}  // namespace accrete::test::micro_kernel_test
