#pragma once

#include <accrete/core/tensor.hpp>

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

namespace accrete::bench {

/// Multiply-adds a second, in flop/s, that independent chains in registers reach on `threads` threads: the median of some short runs. What a float product can at most do here
/// and now: measured behind each repetition, since clocks move with the load of the machine.
[[nodiscard]] double fma_limit(int threads);

/// Says what a run of `flops` each did a second, and which part of the limit that is.
inline void report_flops(benchmark::State& state, double flops, int threads) {
  state.counters["flop/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_limit"] = benchmark::Counter(flops / fma_limit(threads), benchmark::Counter::kIsIterationInvariantRate);
}

/// "product/accrete/host/f32" and "M:64" make "product/accrete/host/f32/M:64".
[[nodiscard]] inline std::string axis(std::string name, std::string_view letter, Index value) {
  name += '/';
  name += letter;
  name += ':';
  return name + std::to_string(value);
}

/// Median and spread of nine repetitions unless the command line asks otherwise.
inline void measured(benchmark::internal::Benchmark* registered) { registered->UseRealTime()->Unit(benchmark::kMicrosecond)->Repetitions(9)->ReportAggregatesOnly(true)->MinTime(0.02); }

}  // namespace accrete::bench
