#include "refusal.hpp"

#include <accrete/data/decode.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  // Small pictures, so that a run is many inputs and not a few large ones.
  accrete::DecodeLimits const limits{.pixels = 1 << 14, .scans = 20};
  accrete::fuzz::expect_result_or_refusal("fuzz.jpg", [&] { accrete::fuzz::touch(accrete::decode_image(std::as_bytes(std::span(data, size)), "fuzz.jpg", limits).pixels); });
  return 0;
}
