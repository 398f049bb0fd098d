#include "limit.hpp"

#include <accrete/host/host.hpp>
#include <accrete/merge/ema.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/merge/periodic_average.hpp>
#include <accrete/merge/running_ema.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

/// One pass of a merge rule over all of a ViT-B/16, beside what memory gives to as many threads. Rules that fold when a task ends know no executor and run on one; those behind every step share their
/// pass out.
namespace accrete::bench {
namespace {

constexpr Index parameters = 85798656;

Vector<float> of_value(float value) {
  Vector<float> x({parameters});
  std::fill(x.begin(), x.end(), value);
  return x;
}

void report_bytes(benchmark::State& state, Index arrays) { state.SetBytesProcessed(state.iterations() * arrays * parameters * static_cast<Index>(sizeof(float))); }

void raw_copy(benchmark::State& state) {
  auto const from = of_value(1.0F);
  auto to = of_value(0.0F);
  for (auto _ : state) {
    std::copy(from.begin(), from.end(), to.begin());
    benchmark::ClobberMemory();
  }
  report_bytes(state, 2);
}

/// a <- a + s b: what an average must move.
template <int Threads>
void raw_triad(benchmark::State& state) {
  auto const b = of_value(1.0F);
  auto a = of_value(0.0F);
  float const* const from = b.data();
  float* const to = a.data();
  for (auto _ : state) {
#pragma omp parallel for simd num_threads(Threads) schedule(static)
    for (Index i = 0; i < parameters; ++i) { to[i] += 0.5F * from[i]; }
    benchmark::ClobberMemory();
  }
  report_bytes(state, 3);
}

void ema(benchmark::State& state) {
  auto const fresh = of_value(1.0F);
  auto kept = of_value(0.0F);
  Ema<> const rule{.decay = 0.9999};
  Ema<>::State progress{true};
  for (auto _ : state) {
    rule.fold(progress, kept.view(), fresh.cview());
    benchmark::ClobberMemory();
  }
  report_bytes(state, 3);
}

/// Behind every step, as LAE averages.
template <int Threads>
void running_ema(benchmark::State& state) {
  ParameterStore<float> learning;
  learning.add({.name = "all", .shape = {parameters}, .role = "backbone", .trainable_rows = parameters});
  RunningEma<> const rule;
  RunningEma<>::State progress;
  rule.begin_task(progress, learning, {.index = 1});
  std::fill(learning.values().begin(), learning.values().end(), 1.0F);
  HostExecutor<> const exec{.threads = Threads};
  for (auto _ : state) {
    rule.after_step(exec, progress, learning);
    benchmark::ClobberMemory();
  }
  report_bytes(state, 3);
}

void periodic_average(benchmark::State& state) {
  ParameterStore<float> learning;
  learning.add({.name = "all", .shape = {parameters}, .role = "backbone", .trainable_rows = parameters});
  PeriodicAverage<1> const rule;
  PeriodicAverage<1>::State progress;
  rule.begin_task(progress, learning, {});
  for (auto _ : state) {
    rule.after_step(HostExecutor<>{}, progress, learning);
    benchmark::ClobberMemory();
  }
  report_bytes(state, 3);
}

void fisher(benchmark::State& state) {
  auto const fresh = of_value(1.0F);
  auto kept = of_value(0.0F);
  FisherMerge<> const rule;
  FisherMerge<>::State progress;
  rule.fold(progress, kept.view(), fresh.cview(), of_value(1e-5F));
  for (auto _ : state) {
    state.PauseTiming();
    auto information = of_value(2e-5F);
    state.ResumeTiming();
    rule.fold(progress, kept.view(), fresh.cview(), std::move(information));
    benchmark::ClobberMemory();
  }
  report_bytes(state, 5);
}

bool const registered = [] {
  auto const add = [](std::string const& name, void (*body)(benchmark::State&)) { measured(benchmark::RegisterBenchmark(axis(name, "P", parameters).c_str(), body)); };
  add("merge/copy/raw/f32", raw_copy);
  add("merge/triad/raw/f32", raw_triad<1>);
  add("merge/triad/raw/f32/threads:2", raw_triad<2>);
  add("merge/ema/accrete/f32", ema);
  add("merge/running_ema/accrete/f32", running_ema<1>);
  add("merge/running_ema/accrete/f32/threads:2", running_ema<2>);
  add("merge/periodic_average/accrete/f32", periodic_average);
  add("merge/fisher/accrete/f32", fisher);
  return true;
}();

}  // namespace
}  // namespace accrete::bench
