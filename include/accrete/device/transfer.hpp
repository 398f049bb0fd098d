#pragma once

#include <accrete/device/executor.hpp>
#include <accrete/kernels/transfer.hpp>

#include <cstddef>

namespace accrete::device {

/// Ordered with the kernels before and after. Page-locked host memory must stay as it is until `wait`; other host memory is free when this returns.
template <class System, class T>
void upload_on(DeviceExecutor<System> const& exec, VectorView<T const> host, VectorView<T> device) {
  if (!host.empty()) { exec.system.copy_in(device.data(), host.data(), static_cast<std::size_t>(host.size()) * sizeof(T)); }
}

/// Waits for the kernels before it.
template <class System, class T>
void download_on(DeviceExecutor<System> const& exec, VectorView<T const> device, VectorView<T> host) {
  if (!host.empty()) { exec.system.copy_out(host.data(), device.data(), static_cast<std::size_t>(host.size()) * sizeof(T)); }
}

}  // namespace accrete::device
