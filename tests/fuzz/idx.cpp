#include "refusal.hpp"

#include <accrete/data/idx.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace {

/// The input as pictures, with as many labels as it has and one too few.
void read_all(std::span<std::byte const> bytes) {
  auto pictures = accrete::parse_idx(bytes, "fuzz.idx");
  accrete::fuzz::touch(pictures.values);
  accrete::Index const count = pictures.shape[0];
  accrete::IdxArray labels{{count}, accrete::Tensor<std::uint8_t, 1>({count})};
  for (accrete::Index i = 0; i < count; ++i) { labels.values[i] = pictures.values[i] % 11; }
  auto const examples = accrete::idx_examples(std::move(pictures), labels, "fuzz.idx", accrete::detail::numbered_names(10));
  for (accrete::Index i = 0; i < examples.size(); ++i) {
    accrete::fuzz::touch(examples.image(i).pixels);
    static_cast<void>(examples.id(i));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  accrete::fuzz::expect_result_or_refusal("fuzz.idx", [&] { read_all(std::as_bytes(std::span(data, size))); });
  return 0;
}
