#include "support/compare.hpp"
#include "support/device.hpp"

#include <accrete/device/executor.hpp>

#include <doctest/doctest.h>

#include <string_view>
#include <type_traits>
#include <utility>

namespace accrete::test::executor_test {
namespace {

template <class Exec>
struct NoBodies {};
}  // namespace

TEST_CASE_TEMPLATE("a device executor is an Executor with a name and an explicit policy", Exec, ACCRETE_DEVICES) {
  static_assert(Executor<Exec>);
  static_assert(!std::is_void_v<decltype(std::declval<Exec const&>().policy())>);
  static_assert(!Executor<NoBodies<Exec>>);
  CHECK(std::string_view(Exec::name).substr(0, 7) == "device/");
  CHECK(Exec{}.precision == Precision::float32);
}

TEST_CASE_TEMPLATE("what is uploaded comes back, in any scalar and empty too", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto const doubles = normal<double>(80, Shape<3>{2, 3, 5});
  CHECK(same_bits(on_host(exec, on_device(exec, doubles)), doubles));
  auto const narrow = normal<bfloat16>(81, Shape<2>{7, 9});
  CHECK(same_bits(on_host(exec, on_device(exec, narrow)), narrow));
  Tensor<float, 2> const nothing({0, 4});
  CHECK(on_host(exec, on_device(exec, nothing)).empty());
  exec.wait();
}

}  // namespace accrete::test::executor_test
