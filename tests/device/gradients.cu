// The checks of the device kernels that training needs once more, compiled by nvcc: on Thrust's plain loop, and on CUDA where there is a device.
#include <accrete/device/cuda.cuh>

#define ACCRETE_DEVICES accrete::DeviceExecutor<accrete::CppSystem>, accrete::DeviceExecutor<accrete::CudaSystem>

#include "activation.cpp"
#include "attention_backward.cpp"
#include "column_sums.cpp"
#include "dropout.cpp"
#include "elementwise.cpp"
#include "weight_gradient.cpp"
#include "weight_gradient_squares.cpp"
