#pragma once

/// The library with the executors that run on Thrust: `DeviceExecutor<CppSystem>` and `DeviceExecutor<OmpSystem>` under any
/// C++ compiler. In a .cu, <accrete/device/cuda.cuh> adds `DeviceExecutor<CudaSystem>`.
// IWYU pragma: begin_exports
#include <accrete/device/device.hpp>
#include <accrete/portable.hpp>
// IWYU pragma: end_exports
