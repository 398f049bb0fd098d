#include "support/compare.hpp"
#include "support/device.hpp"

#include <accrete/device/omp_system.hpp>

#include <doctest/doctest.h>
#include <omp.h>

#include <thread>
#include <vector>

namespace accrete::test::threads_test {

TEST_CASE("the two processor systems give the same bits with any number of threads, and leave OpenMP as they found it") {
  auto const x = normal<float>(82, Shape<2>{33, 70});
  auto const weight = normal<float>(83, Shape<2>{50, 70});
  auto const bias = normal<float>(84, Shape<1>{50});
  auto const gain = normal<float>(85, Shape<1>{50});
  auto const run = [&](auto const& exec) {
    auto const packed = kernels::pack(exec, weight.cview(), bias.cview());
    Matrix<float> y({33, 50});
    kernels::product(exec, x.view(), packed, {.activation = kernels::Activation::gelu}, y.view());
    kernels::layer_norm(exec, y.view(), gain.view(), gain.view(), 1e-6, y.view());
    Matrix<float> z({33, 50});
    kernels::attention(exec, RowsView<float const>(y.cview()), y.cview(), y.cview(), {.batch = 3, .heads = 5}, {}, RowsView<float>(z.view()));
    kernels::softmax(exec, z.view());
    return z;
  };
  auto const want = run(DeviceExecutor<CppSystem>{});
  int const before = omp_get_max_threads();
  for (int const threads : {0, 1, 2, 3, 7}) {
    CAPTURE(threads);
    CHECK(same_bits(run(DeviceExecutor<OmpSystem>{.system = {.threads = threads}}), want));
    CHECK(omp_get_max_threads() == before);
  }
}

TEST_CASE("several threads may use one set of packed weights at once") {
  DeviceExecutor<OmpSystem> const exec{.system = {.threads = 1}};
  auto const x = normal<float>(86, Shape<2>{20, 64});
  auto const packed = kernels::pack(exec, normal<float>(87, Shape<2>{40, 64}).cview(), {});
  std::vector<Matrix<float>> results(4);
  std::vector<std::thread> workers;
  for (auto& result : results) {
    workers.emplace_back([&] {
      result = Matrix<float>({20, 40});
      kernels::product(exec, x.view(), packed, {}, result.view());
    });
  }
  for (auto& worker : workers) { worker.join(); }
  for (auto const& result : results) { CHECK(same_bits(result, results.front())); }
}

}  // namespace accrete::test::threads_test
