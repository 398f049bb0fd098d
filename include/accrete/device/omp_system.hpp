#pragma once

#include <accrete/device/executor.hpp>
#include <accrete/device/panel_weights.hpp>
#include <accrete/device/processor_scratch.hpp>

#include <omp.h>
#include <thrust/system/omp/execution_policy.h>

#include <cstddef>
#include <cstring>
#include <string_view>

namespace accrete::device {

/// Thrust's loops split by OpenMP; ordinary memory. The translation unit must be compiled with OpenMP.
struct OmpSystem {
  int threads = 0;  ///< 0: as many as OpenMP gives

  static constexpr std::string_view name = "device/omp";
  using Memory = HostMemory;
  using PackedWeights = PanelWeights;

  /// Whether this machine can run it: always.
  [[nodiscard]] static bool available() { return true; }
  [[nodiscard]] auto policy() const { return thrust::omp::par; }
  void wait() const {}

  /// Calls `work`, which starts one kernel, with the number of threads set for it alone.
  template <class Work>
  void run(std::string_view /*kernel*/, Work const& work) const {
    Threads const scope(threads);
    work();
  }

  /// Memory for the moment.
  [[nodiscard]] ProcessorLoan borrow(std::size_t bytes) const { return borrow_on_processor(bytes); }

  void copy_in(void* to, void const* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
  void copy_out(void* to, void const* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }

 private:
  /// Thrust asks OpenMP for the number of threads, so it is set there and put back.
  class Threads {
   public:
    explicit Threads(int count) : before_(omp_get_max_threads()) {
      if (count > 0) { omp_set_num_threads(count); }
    }
    Threads(Threads const&) = delete;
    Threads& operator=(Threads const&) = delete;
    ~Threads() { omp_set_num_threads(before_); }

   private:
    int before_;
  };
};

}  // namespace accrete::device

namespace accrete {
using device::OmpSystem;
}  // namespace accrete
