#pragma once

/// The host API: everything but learning by gradient (training.hpp), the picture decoders (accrete_image.hpp), the Thrust executors (accrete_device.hpp),
/// and views for Eigen and xtensor (host/eigen.hpp, host/xtensor.hpp).

// IWYU pragma: begin_exports
#include <accrete/host/host.hpp>
#include <accrete/portable.hpp>
// IWYU pragma: end_exports
