#include "refusal.hpp"

#include <accrete/data/cifar.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace {

void read_all(accrete::CifarFormat format, std::uint8_t const* data, std::size_t size) {
  // Two files, cut where the first byte says, so that both sides of a border are read.
  std::size_t const records = size / static_cast<std::size_t>(format.record_bytes());
  std::size_t const border = records > 0 && size > 0 ? data[0] % (records + 1) * static_cast<std::size_t>(format.record_bytes()) : 0;
  std::vector<accrete::CifarFile> files;
  for (auto const& [first, last] : {std::pair{std::size_t{0}, border}, std::pair{border, size}}) {
    if (first == last && size > 0) { continue; }
    accrete::Tensor<std::uint8_t, 1> bytes({static_cast<accrete::Index>(last - first)});
    std::copy(data + first, data + last, bytes.data());
    files.push_back({"fuzz.bin", std::move(bytes)});
  }
  auto const examples = accrete::cifar_examples(std::move(files), format, accrete::detail::numbered_names(format.classes));
  for (accrete::Index i = 0; i < examples.size(); ++i) {
    accrete::fuzz::touch(examples.image(i).pixels);
    accrete::fuzz::touch(examples.where(i));
    static_cast<void>(examples.id(i));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  accrete::fuzz::expect_result_or_refusal("fuzz.bin", [&] { read_all(accrete::cifar10_format, data, size); });
  accrete::fuzz::expect_result_or_refusal("fuzz.bin", [&] { read_all(accrete::cifar100_format, data, size); });
  return 0;
}
