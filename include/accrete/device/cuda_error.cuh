#pragma once

// Needs nvcc's toolkit: the runtime's error codes.

#include <accrete/core/error.hpp>

#include <cuda_runtime_api.h>

#include <string_view>

namespace accrete::device {

/// Turns a failed call of the CUDA runtime into an exception. The runtime's remembered error is cleared first, so that the next call starts clean.
/// @throws DeviceError  `call: CUDA's text (file:line)`
inline void check_cuda(cudaError_t status, std::string_view call, char const* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (status == cudaSuccess) { return; }
  static_cast<void>(cudaGetLastError());
  fail<DeviceError>(call, cudaGetErrorString(status), " (", file, ':', line, ')');
}

}  // namespace accrete::device
