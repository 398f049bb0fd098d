#include "../axes.hpp"
#include "filled.hpp"
#include "limit.hpp"

#include <accrete/host/eigen_products.hpp>
#include <accrete/host/host.hpp>
#include <accrete/kernels/product.hpp>

#include <benchmark/benchmark.h>

#include <string>

namespace accrete::bench {
namespace {

template <class T>
constexpr char const* scalar_name = std::is_same_v<T, float> ? "f32" : "bf16";

double flops(LinearSize size) { return 2.0 * static_cast<double>(size.rows) * static_cast<double>(size.inputs) * static_cast<double>(size.outputs); }

std::string named(std::string name, LinearSize size) { return axis(axis(axis(std::move(name), "M", size.rows), "K", size.inputs), "N", size.outputs); }

/// A linear layer: the product and its bias, and what a network does to it on the way out.
template <class Exec, class T>
void accrete_product(benchmark::State& state, LinearSize size, kernels::Activation activation) {
  Exec const exec{.precision = std::is_same_v<T, float> ? Precision::float32 : Precision::bfloat16};
  auto const x = filled<T>(size.rows, size.inputs);
  auto const packed = kernels::pack(exec, filled<float>(size.outputs, size.inputs), Vector<float>::zeros({size.outputs}));
  Matrix<T> y({size.rows, size.outputs});
  for (auto _ : state) {
    kernels::product(exec, x.view(), packed, {activation, false}, y.view());
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(size), exec.thread_count());
}

/// The loops a careful person writes: rows shared by threads, inner loop along the outputs so that it vectorises.
void raw_product(benchmark::State& state, LinearSize size) {
  int const threads = host::available_threads();
  auto const x = filled<float>(size.rows, size.inputs);
  auto const transposed = filled<float>(size.inputs, size.outputs);
  Matrix<float> y({size.rows, size.outputs});
  for (auto _ : state) {
    host::parallel_for(threads, size.rows, [&](Index i) {
      float* const row = y[i].data();
      std::fill_n(row, size.outputs, 0.0F);
      for (Index k = 0; k < size.inputs; ++k) {
        float const left = x(i, k);
        float const* const right = transposed[k].data();
        ACCRETE_SIMD
        for (Index j = 0; j < size.outputs; ++j) { row[j] += left * right[j]; }
      }
    });
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(size), threads);
}

/// Eigen by itself, with its own threads.
void eigen_product(benchmark::State& state, LinearSize size) {
  auto const x = filled<float>(size.rows, size.inputs);
  auto const weight = filled<float>(size.outputs, size.inputs);
  Matrix<float> y({size.rows, size.outputs});
  for (auto _ : state) {
    as_eigen(y).noalias() = as_eigen(x) * as_eigen(weight).transpose();
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(size), host::available_threads());
}

template <class Exec, class T>
void add_accrete(LinearSize size) {
  auto const add = [&](std::string const& what, kernels::Activation activation) {
    std::string const name = what + "/accrete/" + std::string(Exec::name) + "/" + scalar_name<T>;
    measured(benchmark::RegisterBenchmark(named(name, size).c_str(), [=](benchmark::State& state) { accrete_product<Exec, T>(state, size, activation); }));
  };
  add("product", kernels::Activation::none);
  if (size.outputs == 4 * size.inputs) { add("product-gelu", kernels::Activation::gelu); }  // where the MLP widens
}

bool const registered = [] {
  measured(benchmark::RegisterBenchmark("limit/fma/host/f32", [](benchmark::State& state) {
    int const threads = host::available_threads();
    double best = 0.0;
    for (auto _ : state) { benchmark::DoNotOptimize(best = fma_limit(threads)); }
    state.counters["flop/s"] = best;
    state.counters["threads"] = threads;
  }));
  for (LinearSize const size : linear_sizes) {
#if ACCRETE_WITH_ONEDNN
    add_accrete<HostExecutor<OneDnn>, float>(size);
    add_accrete<HostExecutor<OneDnn>, bfloat16>(size);
#endif
    add_accrete<HostExecutor<EigenProducts>, float>(size);
    measured(benchmark::RegisterBenchmark(named("product/eigen/host/f32", size).c_str(), [size](benchmark::State& state) { eigen_product(state, size); }));
    measured(benchmark::RegisterBenchmark(named("product/raw/host/f32", size).c_str(), [size](benchmark::State& state) { raw_product(state, size); }));
  }
  return true;
}();

}  // namespace
}  // namespace accrete::bench
