#pragma once

#include <accrete/io/model_writer.hpp>
#include <accrete/io/safetensors_file.hpp>
#include <accrete/io/strict_json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace accrete {

/// Reads what a `ModelWriter` wrote, scope by scope. The file is mapped and checked once; copies and scopes share it.
class ModelReader {
 public:
  /// Opens a model of any composition: for a program that picks the type by `composition()`.
  /// @throws FileError  when the file is truncated, broken, not a model, or of a newer format; the message names the file and the reason
  [[nodiscard]] static ModelReader open(std::filesystem::path const& path) {
    ModelReader reader(SafetensorsFile::open(path), "");
    if (reader.header("format") != ModelFormat::name) { fail<FileError>(path.string(), "is not a model of accrete: its metadata does not say format ", ModelFormat::name); }
    auto const version = reader.header("format_version");
    if (version != std::to_string(ModelFormat::version)) {
      fail<FileError>(path.string(), "is a model of format version ", detail::quoted_text(version), ", written by accrete ", detail::quoted_text(reader.accrete_version()), "; this is accrete ",
                      ACCRETE_VERSION, ", which reads version ", ModelFormat::version);
    }
    return reader;
  }

  /// Opens a model of one composition.
  /// @throws FileError  also when the file is of another composition; the message names both
  [[nodiscard]] static ModelReader open(std::filesystem::path const& path, std::string_view composition) {
    ModelReader reader = open(path);
    if (reader.composition() != composition) {
      fail<FileError>(path.string(), "holds a model of ", detail::quoted_text(reader.composition()), ", which cannot be loaded as ", detail::quoted_text(composition));
    }
    return reader;
  }

  /// The name of the type whose state this is.
  [[nodiscard]] std::string composition() const { return header("composition"); }
  /// The version that wrote the file.
  [[nodiscard]] std::string accrete_version() const { return header("accrete_version"); }
  [[nodiscard]] std::filesystem::path const& path() const { return file_.path(); }

  /// A reader of the same file whose names begin with `name` and a dot.
  [[nodiscard]] ModelReader scope(std::string_view name) const { return ModelReader(file_, prefix_ + std::string(name) + "."); }

  /// Whether there is a tensor of that name in this scope.
  [[nodiscard]] bool has(std::string_view name) const { return file_.contains(prefix_ + std::string(name)); }

  /// A copy of a tensor of this scope, of exactly the stored type: state that was converted would not be the same state.
  /// @throws FileError  when it is missing or of another type or rank
  template <class T, int Rank>
  [[nodiscard]] Tensor<T, Rank> tensor(std::string_view name) const {
    auto const full = checked<T>(name);
    return file_.read<T, Rank>(full);
  }

  /// A copy of a tensor of exactly the wanted shape.
  /// @throws FileError  when it is missing or of another type or shape
  template <class T, int Rank>
  [[nodiscard]] Tensor<T, Rank> tensor(std::string_view name, std::array<Index, static_cast<std::size_t>(Rank)> const& shape) const {
    auto result = tensor<T, Rank>(name);
    if (result.shape() != shape) {
      auto const full = prefix_ + std::string(name);
      StoredTensor const wanted{scalar_type_of<T>(), {shape.begin(), shape.end()}, {}};
      fail<FileError>(path().string(), "tensor ", detail::quoted_text(full), " is ", file_.entry(full).text(), ", wanted ", wanted.text());
    }
    return result;
  }

  /// Whether there is a setting of that name in this scope.
  [[nodiscard]] bool has_setting(std::string_view name) const { return file_.metadata().contains(setting_key(name)); }

  /// A setting of this scope.
  /// @throws FileError  when it is missing or not a `T`
  template <class T>
  [[nodiscard]] T setting(std::string_view name) const {
    auto const key = setting_key(name);
    auto const place = file_.metadata().find(key);
    if (place == file_.metadata().end()) { fail<FileError>(path().string(), "there is no ", detail::quoted_text(key)); }
    auto const value = parse_strict_json(place->second, path().string() + ": " + key);
    auto wanted = value.template as<T>();
    if (!wanted) { fail<FileError>(path().string(), key, " has the value ", detail::quoted_text(place->second), ", which is not of the wanted kind"); }
    return std::move(*wanted);
  }

 private:
  ModelReader(SafetensorsFile file, std::string prefix) : file_(std::move(file)), prefix_(std::move(prefix)) {}

  [[nodiscard]] std::string header(std::string const& key) const {
    auto const place = file_.metadata().find(key);
    return place == file_.metadata().end() ? std::string() : place->second;
  }

  [[nodiscard]] std::string setting_key(std::string_view name) const { return "setting." + prefix_ + std::string(name); }

  template <class T>
  [[nodiscard]] std::string checked(std::string_view name) const {
    auto full = prefix_ + std::string(name);
    if (!file_.is<T>(full)) { fail<FileError>(path().string(), "tensor ", detail::quoted_text(full), " is ", file_.entry(full).text(), ", wanted ", name_of(scalar_type_of<T>())); }
    return full;
  }

  SafetensorsFile file_;
  std::string prefix_;
};

}  // namespace accrete
