#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <utility>

namespace accrete {
namespace {

TEST_CASE("elements lie row by row, in memory aligned to a cache line") {
  Tensor<int, 3> tensor({2, 3, 4});
  for (int i = 0; i < 24; ++i) { tensor.data()[i] = i; }
  CHECK(tensor(1, 2, 3) == 23);
  CHECK(tensor(1, 0, 2) == 14);
  CHECK(tensor[1][2][3] == 23);
  CHECK(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64 == 0);
  CHECK(tensor.view().slice(1, 1)(0, 2, 3) == 23);
  CHECK(tensor.view().reshaped<2>({6, 4})(5, 3) == 23);
}

TEST_CASE("a copy is its own, a move empties its source") {
  auto first = Vector<float>::zeros({3});
  Vector<float> copy = first;
  copy(0) = 1.0F;
  CHECK(first(0) == 0.0F);
  float const* const place = first.data();
  Vector<float> moved = std::move(first);
  CHECK(moved.data() == place);
  CHECK(first.size() == 0);  // NOLINT(bugprone-use-after-move): the promise under test
  first = copy;
  CHECK(first(0) == 1.0F);
  first = std::move(moved);
  CHECK(first.data() == place);
}

TEST_CASE("empty tensors need no memory") {
  Tensor<float, 2> const empty({0, 7});
  CHECK(empty.data() == nullptr);
  CHECK(empty.empty());
  CHECK(Tensor<float, 2>(empty).shape() == Shape<2>{0, 7});
  CHECK(empty.view().slice(0, 0).size() == 0);
}

TEST_CASE("columns of a matrix are rows at a distance") {
  Matrix<float> matrix({2, 5});
  for (int i = 0; i < 10; ++i) { matrix.data()[i] = static_cast<float>(i); }
  auto const part = columns(matrix.view(), 3, 2);
  CHECK(part.rows == 2);
  CHECK(part.row(1)[1] == 9.0F);
  CHECK_THROWS_AS(static_cast<void>(columns(matrix.view(), 4, 2)), ShapeError);
}

TEST_CASE("shapes that cannot be are refused") {
  Index const most = std::numeric_limits<Index>::max();
  CHECK_THROWS_AS(static_cast<void>(element_count(Shape<2>{most, 2})), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(element_count(Shape<1>{-1})), ShapeError);
  CHECK(element_count(Shape<2>{0, most}) == 0);
  Matrix<float> matrix({2, 3});
  CHECK_THROWS_AS(static_cast<void>(matrix.view().slice(1, 2)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(matrix.view().slice(-1, 1)), ShapeError);
  CHECK_THROWS_WITH_AS(static_cast<void>(matrix.view().reshaped<1>({5})), "TensorView::reshaped: the number of elements must stay (came: 6, 5)", ShapeError);
}

TEST_CASE("a symmetric matrix has one place for each pair, across tiles") {
  Index const order = TriangleTiles::edge + 3;
  SymmetricMatrix<double> matrix(order);
  matrix(1, 2) = 3.0;
  matrix(order - 1, 0) = 5.0;
  CHECK(matrix(2, 1) == 3.0);
  CHECK(matrix(0, order - 1) == 5.0);
  CHECK(matrix.view()(order - 1, 0) == 5.0);
  CHECK(matrix.storage().size() == 3 * TriangleTiles::edge * TriangleTiles::edge);
  double sum = 0.0;
  for (double const value : matrix.storage()) { sum += value; }
  CHECK(sum == 8.0);
}

}  // namespace
}  // namespace accrete
