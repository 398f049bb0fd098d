#pragma once

/// Streams of tasks.
#include <accrete/stream/by_task.hpp>             // IWYU pragma: export
#include <accrete/stream/class_incremental.hpp>   // IWYU pragma: export
#include <accrete/stream/domain_incremental.hpp>  // IWYU pragma: export
#include <accrete/stream/hold_out.hpp>            // IWYU pragma: export
#include <accrete/stream/online.hpp>              // IWYU pragma: export
