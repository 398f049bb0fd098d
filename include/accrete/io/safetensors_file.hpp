#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/io/element_cast.hpp>
#include <accrete/io/mapped_file.hpp>
#include <accrete/io/safetensors_header.hpp>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace accrete {

/// One stored tensor: type, shape, and its bytes where they lie in the mapped file, at any alignment.
struct StoredTensor {
  ScalarType type = ScalarType::f32;
  std::vector<Index> shape;
  std::span<std::byte const> bytes;

  /// Such as `F32 [768, 3072]`.
  [[nodiscard]] std::string text() const {
    std::string line = message(name_of(type), " [");
    for (std::size_t axis = 0; axis < shape.size(); ++axis) { line += message(axis == 0 ? "" : ", ", shape[axis]); }
    return line + "]";
  }
};

namespace detail {

/// The extents as an array of fixed rank.
/// @throws FileError  `source: tensor "name" is F32 [3, 4], wanted ...`
template <class T, int Rank>
[[nodiscard]] Shape<Rank> stored_shape(StoredTensor const& tensor, std::string_view name, std::string const& source) {
  if (tensor.shape.size() != static_cast<std::size_t>(Rank)) {
    fail<FileError>(source, "tensor ", quoted_text(name), " is ", tensor.text(), ", wanted ", name_of(scalar_type_of<T>()), " with ", Rank, Rank == 1 ? " axis" : " axes");
  }
  Shape<Rank> shape{};
  std::copy(tensor.shape.begin(), tensor.shape.end(), shape.begin());
  return shape;
}

/// Converts a stored tensor into memory of the caller, telling what did not fit.
template <class T>
void read_stored(StoredTensor const& tensor, std::string_view name, std::string const& source, VectorView<T> out) {
  bool readable = false;
  try {
    readable = element_cast(tensor.type, tensor.bytes, out);
  } catch (ValueError const& error) { fail<FileError>(source, "tensor ", quoted_text(name), ": ", error.what()); }
  if (!readable) { fail<FileError>(source, "tensor ", quoted_text(name), " is ", tensor.text(), ", which cannot be read as ", name_of(scalar_type_of<T>())); }
}

}  // namespace detail

/// A safetensors file, mapped read-only: opening reads the header alone, and what it says has been checked against the file before any data is touched.
/// Cheap to copy; copies share the mapping.
/// @source the safetensors format as its reference implementation (0.8) reads it; unlike it, a repeated tensor name is refused
class SafetensorsFile {
 public:
  /// @throws FileError  when the file is missing, unreadable, or breaks a rule of the format; the message names file, tensor and rule
  [[nodiscard]] static SafetensorsFile open(std::filesystem::path const& path) {
    auto mapped = MappedFile::open(path);
    auto const bytes = mapped.bytes();
    return SafetensorsFile(path, std::move(mapped), bytes);
  }

  /// Reads a file that is in memory already; the bytes must outlive every copy of the result.
  /// @throws FileError  as `open`
  [[nodiscard]] static SafetensorsFile parse(std::span<std::byte const> bytes, std::filesystem::path const& name = "memory") { return SafetensorsFile(name, MappedFile(), bytes); }

  [[nodiscard]] bool contains(std::string_view name) const { return contents_->tensors.contains(name); }

  /// In alphabetical order.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& [name, tensor] : contents_->tensors) { all.push_back(name); }
    return all;
  }

  /// @throws FileError  when there is no such tensor
  [[nodiscard]] StoredTensor const& entry(std::string_view name) const {
    auto const place = contents_->tensors.find(name);
    if (place == contents_->tensors.end()) { fail<FileError>(contents_->source, "there is no tensor ", detail::quoted_text(name)); }
    return place->second;
  }

  [[nodiscard]] std::map<std::string, std::string> const& metadata() const { return contents_->metadata; }
  [[nodiscard]] std::filesystem::path const& path() const { return contents_->path; }
  /// The whole file.
  [[nodiscard]] std::span<std::byte const> bytes() const { return contents_->bytes; }
  /// As `MappedFile::forget`: what was read goes out of memory, views stay valid.
  void forget() const { contents_->mapped.forget(); }

  /// Whether the tensor is stored as exactly this type.
  /// @throws FileError  when there is no such tensor
  template <class T>
  [[nodiscard]] bool is(std::string_view name) const {
    return entry(name).type == scalar_type_of<T>();
  }

  /// A copy of a tensor, converted: F16, BF16, F32 and F64 into float or double, integers into integers that hold them, anything into its own type.
  /// @throws FileError  naming file, tensor, what was found and what was wanted
  template <class T, int Rank>
  [[nodiscard]] Tensor<T, Rank> read(std::string_view name) const {
    StoredTensor const& tensor = entry(name);
    Tensor<T, Rank> result(detail::stored_shape<T, Rank>(tensor, name, contents_->source));
    detail::read_stored<T>(tensor, name, contents_->source, {result.data(), {result.size()}});
    return result;
  }

  /// The tensor where it lies in the file: empty when it is of another type, not aligned for `T`, or BOOL, whose bytes may be neither 0 nor 1. The view lives as long as any copy of this file.
  /// @throws FileError  when there is no such tensor or it has another rank
  template <class T, int Rank>
  [[nodiscard]] std::optional<TensorView<T const, Rank>> view(std::string_view name) const {
    StoredTensor const& tensor = entry(name);
    auto const shape = detail::stored_shape<T, Rank>(tensor, name, contents_->source);
    bool const aligned = reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(T) == 0;
    if (tensor.type != scalar_type_of<T>() || !aligned || std::is_same_v<T, bool>) { return std::nullopt; }
    return TensorView<T const, Rank>(reinterpret_cast<T const*>(tensor.bytes.data()), shape);
  }

 private:
  struct Contents {
    std::filesystem::path path;
    std::string source;
    MappedFile mapped;
    std::span<std::byte const> bytes;
    std::map<std::string, StoredTensor, std::less<>> tensors;
    std::map<std::string, std::string> metadata;
  };

  SafetensorsFile(std::filesystem::path const& path, MappedFile mapped, std::span<std::byte const> bytes) {
    static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian and are used as they lie");
    auto contents = std::make_shared<Contents>(Contents{path, path.string(), std::move(mapped), bytes, {}, {}});
    std::uint64_t length = 0;
    if (bytes.size() < sizeof length) { fail<FileError>(contents->source, "is not a safetensors file: it has ", bytes.size(), " bytes, fewer than the 8 of the header's length"); }
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes = bytes.subspan(sizeof length);
    if (length == 0 || length > SafetensorsHeader::largest) {
      fail<FileError>(contents->source, "is not a safetensors file: its header would have ", length, " bytes; allowed are 1 to ", SafetensorsHeader::largest);
    }
    if (length > bytes.size()) { fail<FileError>(contents->source, "is truncated or not a safetensors file: its header should have ", length, " bytes but only ", bytes.size(), " follow"); }
    std::string_view const json(reinterpret_cast<char const*>(bytes.data()), static_cast<std::size_t>(length));
    bytes = bytes.subspan(json.size());
    auto header = SafetensorsHeader::parse(json, bytes.size(), contents->source);
    contents->metadata = std::move(header.metadata);
    for (auto& [name, entry] : header.entries) {
      auto const data = bytes.subspan(static_cast<std::size_t>(entry.begin), static_cast<std::size_t>(entry.end - entry.begin));
      contents->tensors.emplace_hint(contents->tensors.end(), name, StoredTensor{entry.type, std::move(entry.shape), data});
    }
    contents_ = std::move(contents);
  }

  std::shared_ptr<Contents const> contents_;
};

}  // namespace accrete
