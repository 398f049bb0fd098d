#include "../axes.hpp"
#include "filled.hpp"
#include "limit.hpp"

#include <accrete/host/eigen_products.hpp>
#include <accrete/host/host.hpp>
#include <accrete/kernels/layer_norm.hpp>
#include <accrete/kernels/rows.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

namespace accrete::bench {
namespace {

using Exec = HostExecutor<EigenProducts>;

void report_rows(benchmark::State& state, Index rows, Index bytes) {
  state.SetItemsProcessed(state.iterations() * rows);
  state.SetBytesProcessed(state.iterations() * bytes);
}

template <class Y>
void accrete_layer_norm(benchmark::State& state, RowsSize s) {
  auto const x = filled(s.rows, s.width);
  auto const gain = Vector<float>::zeros({s.width});
  Matrix<Y> y(x.shape());
  for (auto _ : state) {
    kernels::layer_norm(Exec{}, x.view(), gain, gain, 1e-6, y.view());
    benchmark::ClobberMemory();
  }
  report_rows(state, s.rows, x.size() * static_cast<Index>(sizeof(float) + sizeof(Y)));
}

void raw_layer_norm(benchmark::State& state, RowsSize s) {
  auto const x = filled(s.rows, s.width);
  auto const gain = Vector<float>::zeros({s.width});
  Matrix<float> y(x.shape());
  for (auto _ : state) {
    host::parallel_for(host::available_threads(), s.rows, [&](Index i) {
      float sum = 0.0F;
      for (float const value : x[i]) { sum += value; }
      float const mean = sum / static_cast<float>(s.width);
      float squares = 0.0F;
      for (float const value : x[i]) { squares += (value - mean) * (value - mean); }
      float const scale = 1.0F / std::sqrt(squares / static_cast<float>(s.width) + 1e-6F);
      for (Index j = 0; j < s.width; ++j) { y(i, j) = (x(i, j) - mean) * scale * gain(j) + gain(j); }
    });
    benchmark::ClobberMemory();
  }
  report_rows(state, s.rows, 2 * x.size() * static_cast<Index>(sizeof(float)));
}

void eigen_layer_norm(benchmark::State& state, RowsSize s) {
  auto const x = filled(s.rows, s.width);
  auto const gain = Vector<float>::zeros({s.width});
  Matrix<float> y(x.shape());
  for (auto _ : state) {
    host::parallel_for(host::available_threads(), s.rows, [&](Index i) {
      auto const row = as_eigen(x[i]).array();
      float const mean = row.mean();
      float const scale = 1.0F / std::sqrt((row - mean).square().mean() + 1e-6F);
      as_eigen(y[i]).array() = (row - mean) * scale * as_eigen(gain).array() + as_eigen(gain).array();
    });
    benchmark::ClobberMemory();
  }
  report_rows(state, s.rows, 2 * x.size() * static_cast<Index>(sizeof(float)));
}

void accrete_cosine(benchmark::State& state, PoolSize s) {
  auto const queries = filled(s.queries, s.width);
  auto const keys = filled(s.keys, s.width);
  Matrix<float> y({s.queries, s.keys});
  for (auto _ : state) {
    kernels::cosine(Exec{}, queries, keys, y.view());
    benchmark::ClobberMemory();
  }
  report_flops(state, 2.0 * static_cast<double>(s.queries * s.keys * s.width), host::available_threads());
}

void eigen_cosine(benchmark::State& state, PoolSize s) {
  auto const queries = filled(s.queries, s.width);
  auto const keys = filled(s.keys, s.width);
  Matrix<float> y({s.queries, s.keys});
  for (auto _ : state) {
    as_eigen(y).noalias() = as_eigen(queries).rowwise().normalized() * as_eigen(keys).rowwise().normalized().transpose();
    benchmark::ClobberMemory();
  }
  report_flops(state, 2.0 * static_cast<double>(s.queries * s.keys * s.width), host::available_threads());
}

void raw_cosine(benchmark::State& state, PoolSize s) {
  auto const queries = filled(s.queries, s.width);
  auto const keys = filled(s.keys, s.width);
  Matrix<float> y({s.queries, s.keys});
  auto const dot = [&](VectorView<float const> a, VectorView<float const> b) {
    float sum = 0.0F;
    for (Index i = 0; i < s.width; ++i) { sum += a[i] * b[i]; }
    return sum;
  };
  for (auto _ : state) {
    host::parallel_for(host::available_threads(), s.queries, [&](Index i) {
      float const length = std::sqrt(dot(queries[i], queries[i]));
      for (Index j = 0; j < s.keys; ++j) { y(i, j) = dot(queries[i], keys[j]) / (length * std::sqrt(dot(keys[j], keys[j]))); }
    });
    benchmark::ClobberMemory();
  }
  report_flops(state, 2.0 * static_cast<double>(s.queries * s.keys * s.width), host::available_threads());
}

template <class Size>
void add(std::string const& name, void (*body)(benchmark::State&, Size), Size size) {
  measured(benchmark::RegisterBenchmark(name.c_str(), [body, size](benchmark::State& state) { body(state, size); }));
}

bool const registered = [] {
  for (RowsSize const s : rows_sizes) {
    auto const named = [s](std::string name) { return axis(axis(std::move(name), "N", s.rows), "D", s.width); };
    add(named("layer_norm/accrete/host/f32"), accrete_layer_norm<float>, s);
    add(named("layer_norm/accrete/host/bf16"), accrete_layer_norm<bfloat16>, s);
    add(named("layer_norm/eigen/host/f32"), eigen_layer_norm, s);
    add(named("layer_norm/raw/host/f32"), raw_layer_norm, s);
  }
  for (PoolSize const s : pool_sizes) {
    auto const named = [s](std::string name) { return axis(axis(axis(std::move(name), "B", s.queries), "M", s.keys), "D", s.width); };
    add(named("cosine/accrete/host/f32"), accrete_cosine, s);
    add(named("cosine/eigen/host/f32"), eigen_cosine, s);
    add(named("cosine/raw/host/f32"), raw_cosine, s);
  }
  return true;
}();

}  // namespace
}  // namespace accrete::bench
