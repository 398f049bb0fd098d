#pragma once

#include <accrete/core/utf8.hpp>
#include <accrete/io/atomic_file.hpp>
#include <accrete/io/json.hpp>
#include <accrete/io/safetensors_header.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace accrete {

/// Collects tensors and writes them as one safetensors file: header padded to 8 bytes, wide types first, then by name, so that every tensor is aligned.
/// Tensors are not copied: what was added must live until `write`.
class SafetensorsWriter {
 public:
  /// Adds a tensor by its bytes.
  /// @throws ValueError  for a repeated or too long name, text that is not UTF-8, or `__metadata__`;  ShapeError  when the bytes are not those of the shape
  void add(std::string name, ScalarType type, std::vector<Index> shape, std::span<std::byte const> bytes) {
    check_text(name);
    if (name == "__metadata__" || name.size() > SafetensorsHeader::longest_name) { fail<ValueError>("SafetensorsWriter", "a tensor cannot be called ", detail::quoted_text(name)); }
    for (Index const extent : shape) { expects(extent >= 0, "SafetensorsWriter", "an extent must not be negative", extent); }
    auto const wanted = detail::stored_bytes(type, shape);
    expects(wanted.has_value() && *wanted == bytes.size(), "SafetensorsWriter", "the bytes must be those of the shape", name, bytes.size(), wanted.value_or(0));
    auto const [place, is_new] = tensors_.try_emplace(std::move(name), Entry{type, std::move(shape), bytes});
    if (!is_new) { fail<ValueError>("SafetensorsWriter", "there is a tensor ", detail::quoted_text(place->first), " already"); }
  }

  /// Adds a tensor of host memory; it must live until `write`.
  /// @throws ValueError, ShapeError  as above
  template <class T, int Rank>
  void add(std::string name, TensorView<T, Rank> tensor) {
    auto const shape = tensor.shape();
    add(std::move(name), scalar_type_of<std::remove_const_t<T>>(), {shape.begin(), shape.end()}, std::as_bytes(std::span(tensor.data(), static_cast<std::size_t>(tensor.size()))));
  }
  template <class T, int Rank>
  void add(std::string name, Tensor<T, Rank, HostMemory> const& tensor) {
    add(std::move(name), tensor.view());
  }
  template <class T, int Rank>
  void add(std::string name, Tensor<T, Rank, HostMemory>&& tensor) = delete;  // would be gone before `write`

  /// Sets one text of the file's metadata; the last value of a key stays.
  /// @throws ValueError  for text that is not UTF-8
  void metadata(std::string key, std::string value) {
    check_text(key);
    check_text(value);
    metadata_.insert_or_assign(std::move(key), std::move(value));
  }

  /// Writes everything to a temporary file beside `path`, syncs it and puts it in place; a reader sees the old file or the new one, never a part.
  /// @throws FileError  when the disk refuses; `path` is then what it was
  void write(std::filesystem::path const& path) const {
    auto const order = in_file_order();
    std::string const head = header(order);
    if (head.size() > SafetensorsHeader::largest) { fail<FileError>(path.string(), "its header would have ", head.size(), " bytes; at most ", SafetensorsHeader::largest, " are allowed"); }
    static_assert(std::endian::native == std::endian::little, "lengths and tensors are written as they lie in memory");
    AtomicFile file(path);
    std::uint64_t const length = head.size();
    file.write(std::as_bytes(std::span(&length, 1)));
    file.write(head);
    for (Named const* const named : order) { file.write(named->second.bytes); }
    file.commit();
  }

 private:
  struct Entry {
    ScalarType type;
    std::vector<Index> shape;
    std::span<std::byte const> bytes;
  };
  using Named = std::pair<std::string const, Entry>;

  static void check_text(std::string_view text) {
    if (!is_utf8(text)) { fail<ValueError>("SafetensorsWriter", "a name or text must be UTF-8 (came: ", detail::quoted_text(text), ")"); }
  }

  [[nodiscard]] std::vector<Named const*> in_file_order() const {
    std::vector<Named const*> order;
    for (auto const& named : tensors_) { order.push_back(&named); }
    std::stable_sort(order.begin(), order.end(), [](Named const* a, Named const* b) { return info(a->second.type).bits > info(b->second.type).bits; });
    return order;
  }

  [[nodiscard]] std::string header(std::vector<Named const*> const& order) const {
    Json::Object json;
    if (!metadata_.empty()) { json.emplace_back("__metadata__", Json::Object(metadata_.begin(), metadata_.end())); }
    std::uint64_t begin = 0;
    for (Named const* const named : order) {
      auto const& [name, entry] = *named;
      std::uint64_t const end = begin + entry.bytes.size();
      json.emplace_back(name, Json::Object{{"dtype", name_of(entry.type)}, {"shape", entry.shape}, {"data_offsets", Json::List{begin, end}}});
      begin = end;
    }
    std::string text = Json(std::move(json)).dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
  }

  std::map<std::string, Entry> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace accrete
