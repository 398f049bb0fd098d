#include "refusal.hpp"

#include <accrete/data/decode.hpp>

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace {

/// Makes the checksum of every whole chunk right: a fuzzer does not guess them, and all but the first bytes would go unread.
void mend_checksums(std::vector<std::uint8_t>& file) {
  constexpr std::size_t signature = 8;
  constexpr std::size_t around = 12;  // length, type, checksum
  for (std::size_t chunk = signature; chunk + around <= file.size();) {
    std::size_t const length = std::size_t{file[chunk]} << 24U | std::size_t{file[chunk + 1]} << 16U | std::size_t{file[chunk + 2]} << 8U | file[chunk + 3];
    if (length > file.size() - chunk - around) { return; }
    auto const sum = crc32(0, file.data() + chunk + 4, static_cast<uInt>(length + 4));
    for (std::size_t i = 0; i < 4; ++i) { file[chunk + 8 + length + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i)); }
    chunk += around + length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::vector<std::uint8_t> file(data, data + size);
  mend_checksums(file);
  accrete::DecodeLimits const limits{.pixels = 1 << 14};
  accrete::fuzz::expect_result_or_refusal("fuzz.png", [&] { accrete::fuzz::touch(accrete::decode_image(std::as_bytes(std::span(file)), "fuzz.png", limits).pixels); });
  return 0;
}
