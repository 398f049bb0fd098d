#include <accrete/host/eigen.hpp>

#include <doctest/doctest.h>

namespace accrete::test::eigen_test {

TEST_CASE("a tensor and its Eigen map share memory, row by row") {
  Matrix<float> x({2, 3});
  for (Index i = 0; i < 6; ++i) { x.data()[i] = static_cast<float>(i); }
  auto map = as_eigen(x);
  CHECK(map.rows() == 2);
  CHECK(map.cols() == 3);
  CHECK(map(0, 2) == 2.0F);
  CHECK(map(1, 0) == 3.0F);
  map(1, 2) = 9.0F;
  CHECK(x(1, 2) == 9.0F);
  auto const seen = as_eigen(static_cast<Matrix<float> const&>(x));
  CHECK(seen.data() == x.data());
  CHECK((as_eigen(x) * as_eigen(x).transpose())(0, 1) == 0.0F * 3 + 1 * 4 + 2 * 9);
}

TEST_CASE("a range of columns is an Eigen map with a distance between rows") {
  Matrix<double> x({2, 5});
  for (Index i = 0; i < 10; ++i) { x.data()[i] = static_cast<double>(i); }
  auto const part = as_eigen(columns(x.view(), 1, 2));
  CHECK(part.rows() == 2);
  CHECK(part.cols() == 2);
  CHECK(part(1, 1) == 7.0);
  CHECK(as_eigen(x.view()[1])(4) == 9.0);
}

TEST_CASE("an Eigen array shows itself as a view") {
  RowMatrix<float> m(2, 3);
  m << 0, 1, 2, 3, 4, 5;
  auto const view = as_tensor(m);
  CHECK(view.shape() == Shape<2>{2, 3});
  CHECK(view(1, 0) == 3.0F);
  view(0, 1) = 7.0F;
  CHECK(m(0, 1) == 7.0F);
  Eigen::VectorXd const v = Eigen::VectorXd::LinSpaced(4, 0, 3);
  CHECK(as_tensor(v).extent(0) == 4);
  CHECK(as_tensor(v)(2) == 2.0);
}

}  // namespace accrete::test::eigen_test
