#include "limit.hpp"

#include <accrete/host/simd.hpp>
#include <accrete/host/threads.hpp>

#include <algorithm>
#include <array>
#include <chrono>

namespace accrete::bench {
namespace {
namespace simd = host::simd;
constexpr int chains = 12;  // more than latency times ports
constexpr Index rounds = 1 << 20;

void run_chains() {
  simd::Vec<float> sum[chains];
  auto factor = simd::broadcast(0.999F);
  auto addend = simd::broadcast(0.001F);
  for (int i = 0; i < chains; ++i) { sum[i] = simd::broadcast(static_cast<float>(i)); }
  benchmark::DoNotOptimize(factor);
  benchmark::DoNotOptimize(addend);
  for (Index round = 0; round < rounds; ++round) {
    ACCRETE_UNROLL
    for (int i = 0; i < chains; ++i) { sum[i] = simd::multiply_add(sum[i], factor, addend); }
  }
  for (auto& s : sum) { benchmark::DoNotOptimize(s); }
}
}  // namespace

double fma_limit(int threads) {
  std::array<double, 7> reached;
  for (double& flops : reached) {
    auto const start = std::chrono::steady_clock::now();
    host::parallel_for(threads, threads, [](Index) { run_chains(); });
    std::chrono::duration<double> const taken = std::chrono::steady_clock::now() - start;
    flops = 2.0 * chains * simd::lanes<float> * static_cast<double>(rounds) * threads / taken.count();
  }
  std::nth_element(reached.begin(), reached.begin() + reached.size() / 2, reached.end());
  return reached[reached.size() / 2];
}

}  // namespace accrete::bench
