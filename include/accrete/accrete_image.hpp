#pragma once

/// What needs the decoders, on top of accrete.hpp; link `accrete::image`.
#include <accrete/data/decode.hpp>         // IWYU pragma: export
#include <accrete/data/decode_limits.hpp>  // IWYU pragma: export
#include <accrete/data/folder.hpp>         // IWYU pragma: export
#include <accrete/data/idx.hpp>            // IWYU pragma: export
#include <accrete/data/idx_array.hpp>      // IWYU pragma: export
#include <accrete/data/image_files.hpp>    // IWYU pragma: export
