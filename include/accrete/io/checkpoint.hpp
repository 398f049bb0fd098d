#pragma once

#include <accrete/core/sha256.hpp>
#include <accrete/io/checkpoint_index.hpp>
#include <accrete/io/safetensors_file.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Published weights, however they are cut: one safetensors file, a sharded set named by its `*.safetensors.index.json`, or a folder that holds either.
/// Everything stays mapped; nothing is copied before it is read. Cheap to copy.
class Checkpoint {
 public:
  /// @param[in] path  a `.safetensors` file, an index, or a folder with one of them (an index goes first, then `model.safetensors`, then the only file)
  /// @throws FileError  when there is nothing to read, more than one candidate, or a file breaks a rule of its format; the message names the file
  [[nodiscard]] static Checkpoint open(std::filesystem::path const& path) {
    std::error_code ignored;
    bool const is_folder = std::filesystem::is_directory(path, ignored);
    auto const file = is_folder ? choose(path) : path;
    auto parts = std::make_shared<Parts>();
    parts->path = path;
    if (file.extension() == ".json") {
      parts->add_index(file);
    } else {
      parts->add_file(SafetensorsFile::open(file));
    }
    // Beside a file of any other name, a config.json may belong to something else.
    bool const has_config = is_folder || file.extension() == ".json" || file.filename() == "model.safetensors";
    auto const config = file.parent_path() / "config.json";
    if (has_config && std::filesystem::is_regular_file(config, ignored)) { parts->config = text_of(MappedFile::open(config)); }
    return Checkpoint(std::move(parts));
  }

  /// A checkpoint of one file that is open already.
  [[nodiscard]] static Checkpoint of(SafetensorsFile file) {
    auto parts = std::make_shared<Parts>();
    parts->path = file.path();
    parts->add_file(std::move(file));
    return Checkpoint(std::move(parts));
  }

  [[nodiscard]] bool contains(std::string_view name) const { return parts_->tensors.contains(name); }

  /// In alphabetical order.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& [name, shard] : parts_->tensors) { all.push_back(name); }
    return all;
  }

  /// @throws FileError  when there is no such tensor
  [[nodiscard]] StoredTensor const& entry(std::string_view name) const { return shard(name).entry(name); }

  /// As `SafetensorsFile::is`.
  template <class T>
  [[nodiscard]] bool is(std::string_view name) const {
    return shard(name).template is<T>(name);
  }

  /// As `SafetensorsFile::read`.
  template <class T, int Rank>
  [[nodiscard]] Tensor<T, Rank> read(std::string_view name) const {
    return shard(name).template read<T, Rank>(name);
  }

  /// As `SafetensorsFile::view`; lives as long as any copy of this checkpoint.
  template <class T, int Rank>
  [[nodiscard]] std::optional<TensorView<T const, Rank>> view(std::string_view name) const {
    return shard(name).template view<T, Rank>(name);
  }

  /// Metadata of the only file, or of the first shard in order of name.
  [[nodiscard]] std::map<std::string, std::string> const& metadata() const { return parts_->shards.front().metadata(); }

  /// Text of the `config.json` that came along.
  [[nodiscard]] std::optional<std::string> const& config() const { return parts_->config; }

  /// What was opened.
  [[nodiscard]] std::filesystem::path const& path() const { return parts_->path; }

  /// The files that hold tensors, in order of name.
  [[nodiscard]] std::vector<SafetensorsFile> const& files() const { return parts_->shards; }

  /// As `MappedFile::forget`, for all files: what was read goes out of memory, views stay valid.
  void forget() const {
    for (SafetensorsFile const& file : parts_->shards) { file.forget(); }
  }

  /// Fingerprint of the bytes of all files, one behind the other in order of name. Reads every byte, so keep it.
  [[nodiscard]] std::string sha256() const {
    Sha256 digest;
    for (SafetensorsFile const& file : parts_->shards) { digest.update(file.bytes()); }
    return digest.hex();
  }

 private:
  struct Parts {
    std::filesystem::path path;
    std::vector<SafetensorsFile> shards;
    std::map<std::string, std::size_t, std::less<>> tensors;  // name → shard
    std::optional<std::string> config;

    void add_file(SafetensorsFile file) {
      for (auto& name : file.names()) { tensors.emplace(std::move(name), shards.size()); }
      shards.push_back(std::move(file));
    }

    void add_index(std::filesystem::path const& index) {
      auto const map = CheckpointIndex::parse(text_of(MappedFile::open(index)), index.string()).files;
      std::map<std::string, std::size_t> numbers;
      for (auto const& [tensor, file] : map) { numbers.emplace(file, 0); }
      for (auto& [file, number] : numbers) {
        number = shards.size();
        shards.push_back(SafetensorsFile::open(index.parent_path() / file));
      }
      for (auto const& [tensor, file] : map) {
        auto const number = numbers.at(file);
        if (!shards[number].contains(tensor)) { fail<FileError>(index.string(), "puts tensor ", detail::quoted_text(tensor), " into ", detail::quoted_text(file), ", which does not have it"); }
        tensors.emplace(tensor, number);
      }
    }
  };

  explicit Checkpoint(std::shared_ptr<Parts const> parts) : parts_(std::move(parts)) {}

  [[nodiscard]] static std::string text_of(MappedFile const& file) { return {reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size()}; }

  [[nodiscard]] static std::filesystem::path choose(std::filesystem::path const& folder) {
    std::vector<std::filesystem::path> files;
    std::vector<std::filesystem::path> indices;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      auto const name = entry->path().filename().string();
      if (name.ends_with(".safetensors.index.json")) { indices.push_back(entry->path()); }
      if (name.ends_with(".safetensors")) { files.push_back(entry->path()); }
    }
    if (error) { fail<FileError>(folder.string(), "cannot be read: ", error.message()); }
    auto const& candidates = indices.empty() ? files : indices;
    if (candidates.empty()) { fail<FileError>(folder.string(), "holds neither a .safetensors file nor a .safetensors.index.json"); }
    auto const model = std::find_if(candidates.begin(), candidates.end(), [](auto const& path) { return path.filename().string().starts_with("model.safetensors"); });
    if (model == candidates.end() && candidates.size() > 1) { fail<FileError>(folder.string(), "holds ", candidates.size(), " checkpoints and none is called model.safetensors; name one of them"); }
    return model == candidates.end() ? candidates.front() : *model;
  }

  [[nodiscard]] SafetensorsFile const& shard(std::string_view name) const {
    auto const place = parts_->tensors.find(name);
    if (place == parts_->tensors.end()) { fail<FileError>(parts_->path.string(), "there is no tensor ", detail::quoted_text(name)); }
    return parts_->shards[place->second];
  }

  std::shared_ptr<Parts const> parts_;
};

}  // namespace accrete
