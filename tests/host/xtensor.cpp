#include <accrete/host/eigen.hpp>
#include <accrete/host/xtensor.hpp>

#include <doctest/doctest.h>

namespace accrete::test::xtensor_test {

TEST_CASE("a tensor and its xtensor array share memory, row by row") {
  Tensor<float, 3> x({2, 3, 4});
  for (Index i = 0; i < x.size(); ++i) { x.data()[i] = static_cast<float>(i); }
  auto array = as_xtensor(x);
  CHECK(array.dimension() == 3);
  CHECK(array.shape()[1] == 3);
  CHECK(array(1, 0, 2) == 14.0F);
  array(0, 1, 1) = -1.0F;
  CHECK(x(0, 1, 1) == -1.0F);
  auto const seen = as_xtensor(static_cast<Tensor<float, 3> const&>(x));
  CHECK(seen(1, 2, 3) == 23.0F);
  CHECK(&seen(0, 0, 0) == x.data());
}

TEST_CASE("an xtensor array shows itself as a view, whether its rank is fixed or not") {
  xt::xtensor<double, 2> fixed{{0, 1, 2}, {3, 4, 5}};
  auto const view = as_tensor(fixed);
  CHECK(view.shape() == Shape<2>{2, 3});
  view(1, 1) = 8.0;
  CHECK(fixed(1, 1) == 8.0);

  xt::xarray<float> const loose{{1, 2}, {3, 4}, {5, 6}};
  CHECK(as_tensor<2>(loose)(2, 0) == 5.0F);
  CHECK(as_tensor<2>(loose).data() == loose.data());
  CHECK_THROWS_AS(static_cast<void>(as_tensor<3>(loose)), ShapeError);
}

}  // namespace accrete::test::xtensor_test
