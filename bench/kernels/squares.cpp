#include "../axes.hpp"
#include "filled.hpp"
#include "limit.hpp"

#include <accrete/host/eigen_products.hpp>
#include <accrete/host/host.hpp>
#include <accrete/kernels/weight_gradient.hpp>
#include <accrete/kernels/weight_gradient_squares.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

namespace accrete::bench {
namespace {

using Exec = HostExecutor<EigenProducts>;

double flops(SampledSize s) { return 2.0 * static_cast<double>(s.samples * s.rows * s.inputs * s.outputs); }

/// The sum over the batch: what an ordinary step of learning takes.
template <class T>
void sums(benchmark::State& state, SampledSize s) {
  auto const dy = filled<T>(s.samples * s.rows, s.outputs);
  auto const x = filled<T>(s.samples * s.rows, s.inputs);
  auto dw = Matrix<float>::zeros({s.outputs, s.inputs});
  for (auto _ : state) {
    kernels::weight_gradient(Exec{}, dy.view(), x.view(), dw);
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), host::available_threads());
}

/// The same products, squared sample by sample.
template <class T>
void squares(benchmark::State& state, SampledSize s) {
  auto const dy = filled<T>(s.samples * s.rows, s.outputs);
  auto const x = filled<T>(s.samples * s.rows, s.inputs);
  auto squared = Matrix<float>::zeros({s.outputs, s.inputs});
  for (auto _ : state) {
    kernels::weight_gradient_squares(Exec{}, dy.view(), x.view(), s.samples, squared);
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), host::available_threads());
}

/// A gradient of each sample as a whole, then its square: what a careful person would write.
void raw(benchmark::State& state, SampledSize s) {
  auto const dy = filled<float>(s.samples * s.rows, s.outputs);
  auto const x = filled<float>(s.samples * s.rows, s.inputs);
  auto squared = Matrix<float>::zeros({s.outputs, s.inputs});
  Matrix<float> dw(squared.shape());
  for (auto _ : state) {
    for (Index b = 0; b < s.samples; ++b) {
      std::fill(dw.begin(), dw.end(), 0.0F);
      kernels::weight_gradient(Exec{}, dy.view().slice(b * s.rows, s.rows), x.view().slice(b * s.rows, s.rows), dw);
      host::parallel_ranges(host::available_threads(), dw.size(), 1, [&](Index first, Index last) {
        for (Index i = first; i < last; ++i) { squared.data()[i] += dw.data()[i] * dw.data()[i]; }
      });
    }
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), host::available_threads());
}

void add(std::string const& name, void (*body)(benchmark::State&, SampledSize), SampledSize size) {
  auto const named = axis(axis(axis(axis(name, "B", size.samples), "N", size.rows), "in", size.inputs), "out", size.outputs);
  measured(benchmark::RegisterBenchmark(named.c_str(), [body, size](benchmark::State& state) { body(state, size); }));
}

bool const registered = [] {
  for (SampledSize const s : sampled_sizes) {
    add("weight_gradient/accrete/host/f32", sums<float>, s);
    add("weight_gradient_squares/accrete/host/f32", squares<float>, s);
    add("weight_gradient_squares/raw/host/f32", raw, s);
    add("weight_gradient/accrete/host/bf16", sums<bfloat16>, s);
    add("weight_gradient_squares/accrete/host/bf16", squares<bfloat16>, s);
  }
  return true;
}();

}  // namespace
}  // namespace accrete::bench
