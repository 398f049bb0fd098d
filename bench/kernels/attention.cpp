#include "../axes.hpp"
#include "filled.hpp"
#include "limit.hpp"

#include <accrete/host/eigen_products.hpp>
#include <accrete/host/host.hpp>
#include <accrete/kernels/attention.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>
#include <vector>

namespace accrete::bench {
namespace {

double flops(AttentionSize s) { return 4.0 * static_cast<double>(s.batch * s.heads * s.queries * s.keys * s.head_width); }

std::string named(std::string name, AttentionSize s) { return axis(axis(axis(axis(axis(std::move(name), "B", s.batch), "H", s.heads), "Q", s.queries), "N", s.keys), "D", s.heads * s.head_width); }

template <class T>
void accrete_attention(benchmark::State& state, AttentionSize s) {
  HostExecutor<EigenProducts> const exec;
  Index const width = s.heads * s.head_width;
  auto const qkv = filled<T>(s.batch * s.keys, 3 * width);
  Matrix<T> y({s.batch * s.queries, width});
  RowsView<T const> const q(qkv.data(), s.batch * s.queries, width, 3 * width);
  for (auto _ : state) {
    kernels::attention(exec, q, columns(qkv.view(), width, width), columns(qkv.view(), 2 * width, width), {s.batch, s.heads}, {}, RowsView<T>(y.view()));
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), exec.thread_count());
}

/// The loops a careful person writes: one head after the other, inner loops along rows so that they vectorise.
void raw_attention(benchmark::State& state, AttentionSize s) {
  int const threads = host::available_threads();
  Index const width = s.heads * s.head_width;
  auto const qkv = filled<float>(s.batch * s.keys, 3 * width);
  Matrix<float> y({s.batch * s.queries, width});
  float const scale = 1.0F / std::sqrt(static_cast<float>(s.head_width));
  for (auto _ : state) {
    host::parallel_for(threads, s.batch * s.heads, [&](Index item) {
      thread_local std::vector<float> weights;
      weights.resize(static_cast<std::size_t>(s.keys));
      Index const b = item / s.heads;
      Index const column = item % s.heads * s.head_width;
      for (Index i = 0; i < s.queries; ++i) {
        float const* const q = qkv[b * s.queries + i].data() + column;
        float largest = -1e30F;
        for (Index j = 0; j < s.keys; ++j) {
          float const* const k = qkv[b * s.keys + j].data() + width + column;
          float sum = 0.0F;
          for (Index d = 0; d < s.head_width; ++d) { sum += q[d] * k[d]; }
          weights[static_cast<std::size_t>(j)] = sum * scale;
          largest = std::max(largest, sum * scale);
        }
        float total = 0.0F;
        for (float& w : weights) { total += w = std::exp(w - largest); }
        float* const out = y[b * s.queries + i].data() + column;
        std::fill_n(out, s.head_width, 0.0F);
        for (Index j = 0; j < s.keys; ++j) {
          float const* const v = qkv[b * s.keys + j].data() + 2 * width + column;
          float const w = weights[static_cast<std::size_t>(j)] / total;
          ACCRETE_SIMD
          for (Index d = 0; d < s.head_width; ++d) { out[d] += w * v[d]; }
        }
      }
    });
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), threads);
}

/// Eigen's products and array functions, one head at a time.
void eigen_attention(benchmark::State& state, AttentionSize s) {
  int const threads = host::available_threads();
  Index const width = s.heads * s.head_width;
  auto const qkv = filled<float>(s.batch * s.keys, 3 * width);
  Matrix<float> y({s.batch * s.queries, width});
  float const scale = 1.0F / std::sqrt(static_cast<float>(s.head_width));
  for (auto _ : state) {
    host::parallel_for(threads, s.batch * s.heads, [&](Index item) {
      Index const b = item / s.heads;
      Index const column = item % s.heads * s.head_width;
      auto const part = [&](Index offset, Index rows) { return as_eigen(RowsView<float const>(qkv[b * rows].data() + offset + column, rows, s.head_width, 3 * width)); };
      RowMatrix<float> scores = scale * (part(0, s.queries) * part(width, s.keys).transpose());
      scores = (scores.colwise() - scores.rowwise().maxCoeff()).array().exp();
      scores.array().colwise() /= scores.rowwise().sum().array();
      as_eigen(RowsView<float>(y[b * s.queries].data() + column, s.queries, s.head_width, width)).noalias() = scores * part(2 * width, s.keys);
    });
    benchmark::ClobberMemory();
  }
  report_flops(state, flops(s), threads);
}

bool const registered = [] {
  for (AttentionSize const size : attention_sizes) {
    measured(benchmark::RegisterBenchmark(named("attention/accrete/host/f32", size).c_str(), [size](benchmark::State& state) { accrete_attention<float>(state, size); }));
    measured(benchmark::RegisterBenchmark(named("attention/accrete/host/bf16", size).c_str(), [size](benchmark::State& state) { accrete_attention<bfloat16>(state, size); }));
    measured(benchmark::RegisterBenchmark(named("attention/eigen/host/f32", size).c_str(), [size](benchmark::State& state) { eigen_attention(state, size); }));
    measured(benchmark::RegisterBenchmark(named("attention/raw/host/f32", size).c_str(), [size](benchmark::State& state) { raw_attention(state, size); }));
  }
  return true;
}();

}  // namespace
}  // namespace accrete::bench
