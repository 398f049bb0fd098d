#pragma once

/// The host API: everything but the picture decoders (accrete_image.hpp) and the Thrust executors (accrete_device.hpp).

// IWYU pragma: begin_exports
#include <accrete/host/eigen.hpp>
#include <accrete/host/host.hpp>
#include <accrete/portable.hpp>
// IWYU pragma: end_exports
