#pragma once

#include <accrete/device/executor.hpp>
#include <accrete/device/panel_weights.hpp>
#include <accrete/device/processor_scratch.hpp>

#include <thrust/system/cpp/execution_policy.h>

#include <cstddef>
#include <cstring>
#include <string_view>

namespace accrete::device {

/// Thrust's plain loop: one thread, ordinary memory. What the others are compared with.
struct CppSystem {
  static constexpr std::string_view name = "device/cpp";
  using Memory = HostMemory;
  using PackedWeights = PanelWeights;

  /// Whether this machine can run it: always.
  [[nodiscard]] static bool available() { return true; }
  [[nodiscard]] auto policy() const { return thrust::cpp::par; }
  void wait() const {}

  /// Calls `work`, which starts one kernel.
  template <class Work>
  void run(std::string_view /*kernel*/, Work const& work) const {
    work();
  }

  /// Memory for the moment.
  [[nodiscard]] ProcessorLoan borrow(std::size_t bytes) const { return borrow_on_processor(bytes); }

  void copy_in(void* to, void const* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
  void copy_out(void* to, void const* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
};

}  // namespace accrete::device

namespace accrete {
using device::CppSystem;
}  // namespace accrete
