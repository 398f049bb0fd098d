#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

#include <concepts>
#include <string_view>

namespace accrete::device {

/// Runs kernels through Thrust, where `System` says: one body for a plain loop, OpenMP and CUDA.
/// @tparam System  `CppSystem` (device/cpp_system.hpp), `OmpSystem` (device/omp_system.hpp) or `CudaSystem` (device/cuda_system.cuh, nvcc only)
/// The system is a part of the type, so two translation units built for different ones never give one symbol two bodies.
/// Work is ordered by the system's stream; only `wait`, `kernels::download` and the making of memory block the caller.
/// A row's, a sequence's or a query's result depends on that one alone, bit for bit: neither on the others of a batch nor on threads.
template <class System>
struct DeviceExecutor {
  Precision precision = Precision::float32;  ///< of the weights that `kernels::pack` packs from now on
  System system{};                           ///< its settings: a number of threads, a stream

  using Memory = typename System::Memory;
  using PackedWeights = typename System::PackedWeights;
  static constexpr std::string_view name = System::name;

  /// The Thrust policy of every algorithm; raw pointers carry no system, so a call without it would run on the host.
  [[nodiscard]] auto policy() const { return system.policy(); }
  /// Returns when all work is done.
  /// @throws DeviceError  for work that failed since the last wait
  void wait() const { system.wait(); }
};

/// The systems of the processor. A kernel that CUDA runs another way has its Thrust body for these alone, so that a translation
/// unit without CUDA's body cannot take another one for it.
template <class System>
concept OnProcessor = std::same_as<typename System::Memory, HostMemory>;

}  // namespace accrete::device

namespace accrete {
using device::DeviceExecutor;
}  // namespace accrete
