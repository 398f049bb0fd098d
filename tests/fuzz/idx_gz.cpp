#include "refusal.hpp"

#include <accrete/data/idx_array.hpp>

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

namespace {

std::vector<std::uint8_t> packed(std::uint8_t const* data, std::size_t size) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 16 + 9, 1, Z_DEFAULT_STRATEGY) != Z_OK) { std::abort(); }
  std::vector<std::uint8_t> out(deflateBound(&stream, static_cast<uLong>(size)) + 64);
  stream.next_in = const_cast<Bytef*>(data);
  stream.avail_in = static_cast<uInt>(size);
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) { std::abort(); }
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::optional<accrete::IdxArray> read(std::span<std::uint8_t const> bytes) {
  std::optional<accrete::IdxArray> array;
  accrete::fuzz::expect_result_or_refusal("fuzz.gz", [&] { array = accrete::parse_idx(std::as_bytes(bytes), "fuzz.gz"); });
  if (array) { accrete::fuzz::touch(array->values); }
  return array;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const plain = read({data, size});
  // Packed properly, the same bytes must be read as the same array.
  bool const packs = size < 2 || data[0] != 0x1F || data[1] != 0x8B;
  if (!packs) { return 0; }
  auto const unpacked = read(packed(data, size));
  if (plain.has_value() != unpacked.has_value()) { std::abort(); }
  if (plain && (plain->shape != unpacked->shape || !std::equal(plain->values.begin(), plain->values.end(), unpacked->values.begin()))) { std::abort(); }
  return 0;
}
