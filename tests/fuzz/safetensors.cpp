// Any bytes either are a safetensors file, of which then every tensor can be touched, or are refused by a FileError of one line.
#include <accrete/io/safetensors_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string_view>

namespace {

using namespace accrete;

/// A message must be one line of bounded length, however wild the names in the file are.
void check_message(std::string_view said) {
  if (said.size() > 2000 || said.find('\n') != std::string_view::npos) { std::abort(); }
}

template <class T, int Rank>
double touch(SafetensorsFile const& file, std::string const& name) {
  double sum = 0.0;
  try {
    for (T const value : file.read<T, Rank>(name)) { sum += static_cast<double>(value); }
    if (auto const view = file.view<T, Rank>(name)) {
      for (T const value : *view) { sum += static_cast<double>(value); }
    }
  } catch (FileError const& error) { check_message(error.what()); }
  return sum;
}

double touch_all(SafetensorsFile const& file) {
  double sum = 0.0;
  for (std::string const& name : file.names()) {
    StoredTensor const& tensor = file.entry(name);
    sum += std::accumulate(tensor.bytes.begin(), tensor.bytes.end(), 0.0, [](double total, std::byte byte) { return total + std::to_integer<int>(byte); });
    sum += touch<float, 1>(file, name) + touch<float, 2>(file, name) + touch<double, 3>(file, name) + touch<std::int16_t, 1>(file, name) + touch<bool, 1>(file, name);
  }
  return sum;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

/// Mutates what follows the length field, and mostly repairs the length, so that the header is parsed at all.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  constexpr std::size_t field = 8;
  if (size < field || most <= field || seed % 16 == 0) { return LLVMFuzzerMutate(data, size, most); }
  size = field + LLVMFuzzerMutate(data + field, size - field, most - field);
  std::string_view const rest(reinterpret_cast<char const*>(data) + field, size - field);
  std::uint64_t const length = std::min(rest.rfind('}'), rest.size() - 1) + 1;
  std::memcpy(data, &length, field);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    double const sum = touch_all(SafetensorsFile::parse(std::as_bytes(std::span(data, size))));
    if (sum == -1.5) { std::abort(); }  // uses the sum: bytes that nobody needs would not be read
  } catch (FileError const& error) { check_message(error.what()); }
  return 0;
}
