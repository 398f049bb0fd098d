#pragma once

/// Writing and reading of a learner's state.
#include <accrete/io/model_reader.hpp>  // IWYU pragma: export
#include <accrete/io/model_writer.hpp>  // IWYU pragma: export
