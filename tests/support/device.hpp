#pragma once

#include "samples.hpp"

#include <accrete/core/tensor.hpp>
#include <accrete/device/device.hpp>

/// What the tests of the device kernels share. Arrays are made on the host and moved by hand, so that the same test also runs
/// where the executor's memory is not the host's.
namespace accrete::test {

/// A copy in the executor's memory.
template <class Exec, class T, int Rank>
[[nodiscard]] Tensor<T, Rank, typename Exec::Memory> on_device(Exec const& exec, Tensor<T, Rank> const& host) {
  Tensor<T, Rank, typename Exec::Memory> device(host.shape());
  kernels::upload(exec, host.cview(), device.view());
  return device;
}

/// A copy in host memory.
template <class Exec, class T, int Rank, class Memory>
[[nodiscard]] Tensor<T, Rank> on_host(Exec const& exec, Tensor<T, Rank, Memory> const& device) {
  Tensor<T, Rank> host(device.shape());
  kernels::download(exec, device.cview(), host.view());
  return host;
}

}  // namespace accrete::test

/// The executor of a TEST_CASE_TEMPLATE, or the end of the test where its device is absent.
#define ACCRETE_DEVICE_OR_SKIP(exec)                             \
  Exec const exec{};                                             \
  if (!exec.system.available()) {                                \
    MESSAGE("skipped: no device for ", std::string(Exec::name)); \
    return;                                                      \
  }

/// The executors of these tests; a translation unit of nvcc names its own.
#if !defined(ACCRETE_DEVICES)
#define ACCRETE_DEVICES accrete::DeviceExecutor<accrete::CppSystem>, accrete::DeviceExecutor<accrete::OmpSystem>
#endif
