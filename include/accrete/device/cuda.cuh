#pragma once

// Needs nvcc. `DeviceExecutor<CudaSystem>` and everything it runs.

// IWYU pragma: begin_exports
#include <accrete/device/cuda_attention.cuh>
#include <accrete/device/cuda_attention_backward.cuh>
#include <accrete/device/cuda_product.cuh>
#include <accrete/device/cuda_rows.cuh>
#include <accrete/device/cuda_system.cuh>
#include <accrete/device/cuda_weight_gradient.cuh>
#include <accrete/device/device.hpp>
// IWYU pragma: end_exports
