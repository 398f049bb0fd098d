#include "../axes.hpp"
#include "limit.hpp"

#include <accrete/host/host.hpp>
#include <accrete/kernels/attention.hpp>
#include <accrete/kernels/weight_gradient.hpp>

#include <benchmark/benchmark.h>

#include <string>
#include <utility>

namespace accrete::bench {
namespace {

Matrix<float> filled(Index rows, Index columns) {
  Matrix<float> x({rows, columns});
  for (Index i = 0; i < x.size(); ++i) { x.data()[i] = static_cast<float>(i % 17 - 8) * 0.1F; }
  return x;
}

double flops(LinearSize s) { return 2.0 * static_cast<double>(s.rows * s.inputs * s.outputs); }
double flops(AttentionSize s) { return 10.0 * static_cast<double>(s.batch * s.heads * s.queries * s.keys * s.head_width); }

std::string named(std::string name, LinearSize s) { return axis(axis(axis(std::move(name), "M", s.rows), "K", s.inputs), "N", s.outputs); }
std::string named(std::string name, AttentionSize s) { return axis(axis(axis(axis(axis(std::move(name), "B", s.batch), "H", s.heads), "Q", s.queries), "N", s.keys), "D", s.heads * s.head_width); }

void accrete_weight_gradient(benchmark::State& state, LinearSize s) {
  HostExecutor<> const exec;
  auto const dy = filled(s.rows, s.outputs);
  auto const x = filled(s.rows, s.inputs);
  auto dw = Matrix<float>::zeros({s.outputs, s.inputs});
  for (auto _ : state) {
    kernels::weight_gradient(exec, dy.view(), x.view(), dw);
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), exec.thread_count());
}

/// Eigen by itself, with its own threads.
void eigen_weight_gradient(benchmark::State& state, LinearSize s) {
  auto const dy = filled(s.rows, s.outputs);
  auto const x = filled(s.rows, s.inputs);
  auto dw = Matrix<float>::zeros({s.outputs, s.inputs});
  for (auto _ : state) {
    as_eigen(dw).noalias() += as_eigen(dy).transpose() * as_eigen(x);
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), host::available_threads());
}

void accrete_attention_backward(benchmark::State& state, AttentionSize s) {
  HostExecutor<> const exec;
  Index const width = s.heads * s.head_width;
  kernels::AttentionShape const shape{s.batch, s.heads};
  auto const q = filled(s.batch * s.queries, width);
  auto const kv = filled(s.batch * s.keys, 2 * width);
  auto const dy = filled(s.batch * s.queries, width);
  Matrix<float> y(q.shape());
  Matrix<float> dq(q.shape());
  Matrix<float> dkv(kv.shape());
  Matrix<float> log_sums({s.batch * s.queries, s.heads});
  RowsView<float const> const queries(q.view());
  auto const k = columns(kv.view(), 0, width);
  auto const v = columns(kv.view(), width, width);
  kernels::attention_with_log_sums(exec, queries, k, v, shape, {}, y.view(), log_sums);
  for (auto _ : state) {
    kernels::attention_backward(exec, queries, k, v, shape, {}, y.view(), log_sums.view(), dy.view(), dq.view(), columns(dkv.view(), 0, width), columns(dkv.view(), width, width), {});
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), exec.thread_count());
}

bool const registered = [] {
  for (LinearSize const size : linear_sizes) {
    measured(benchmark::RegisterBenchmark(named("weight_gradient/accrete/host/f32", size).c_str(), [size](benchmark::State& state) { accrete_weight_gradient(state, size); }));
    measured(benchmark::RegisterBenchmark(named("weight_gradient/eigen/host/f32", size).c_str(), [size](benchmark::State& state) { eigen_weight_gradient(state, size); }));
  }
  for (AttentionSize const size : attention_sizes) {
    measured(benchmark::RegisterBenchmark(named("attention_backward/accrete/host/f32", size).c_str(), [size](benchmark::State& state) { accrete_attention_backward(state, size); }));
  }
  return true;
}();

}  // namespace
}  // namespace accrete::bench
