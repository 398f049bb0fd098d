#pragma once

/// Everything a device executor runs, with the systems any C++ compiler can build. `CudaSystem` comes with device/cuda.cuh.
// IWYU pragma: begin_exports
#include <accrete/device/activation.hpp>
#include <accrete/device/attention.hpp>
#include <accrete/device/attention_backward.hpp>
#include <accrete/device/column_squares.hpp>
#include <accrete/device/column_sums.hpp>
#include <accrete/device/cpp_system.hpp>
#include <accrete/device/dropout.hpp>
#include <accrete/device/elementwise.hpp>
#include <accrete/device/executor.hpp>
#include <accrete/device/gather.hpp>
#include <accrete/device/layer_norm.hpp>
#include <accrete/device/omp_system.hpp>
#include <accrete/device/product.hpp>
#include <accrete/device/rank_k_update.hpp>
#include <accrete/device/rows.hpp>
#include <accrete/device/tokens.hpp>
#include <accrete/device/transfer.hpp>
#include <accrete/device/weight_gradient.hpp>
#include <accrete/device/weight_gradient_squares.hpp>
// IWYU pragma: end_exports
