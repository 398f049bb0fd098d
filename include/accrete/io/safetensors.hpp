#pragma once

/// Reading and writing of safetensors files.
#include <accrete/io/safetensors_file.hpp>    // IWYU pragma: export
#include <accrete/io/safetensors_writer.hpp>  // IWYU pragma: export
