#pragma once

#include <accrete/core/tensor.hpp>

namespace accrete {

/// What a compressed picture may ask for before it is refused; a few hundred bytes can otherwise claim all memory.
struct DecodeLimits {
  Index pixels = 178'956'970;  ///< height times width; Pillow refuses above the same number
  Index side = 1'000'000;      ///< height and width each: resampling keeps weights for every pixel of a side
  int scans = 100;             ///< passes of a progressive JPEG
  Index file_bytes = 1 << 30;  ///< of the compressed file
};

}  // namespace accrete
