#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/hash.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/io/safetensors_file.hpp>
#include <accrete/io/safetensors_writer.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace accrete {

/// What features depend on besides the picture. Equal text everywhere means equal features.
struct FeatureKey {
  std::string weights;        ///< hash of the backbone's weights
  std::string preprocessing;  ///< `Preprocessing::text()`
  std::string execution;      ///< executor and precision, such as "host/onednn/float32"

  friend bool operator==(FeatureKey const&, FeatureKey const&) = default;
  friend bool operator<(FeatureKey const& a, FeatureKey const& b) { return std::tie(a.weights, a.preprocessing, a.execution) < std::tie(b.weights, b.preprocessing, b.execution); }
};

/// Features that were computed before, by key and sample id, in memory and, if asked, in a folder with one safetensors file per key.
/// A cache may forget but never lies: a file that is damaged, cut off or of another key is ignored and written anew by `flush`.
/// Every member may be called from several threads.
class FeatureCache {
 public:
  /// In memory only.
  FeatureCache() = default;

  /// Kept in `folder` too; the folder is made by the first `flush`, and a file is read when its key is first asked for.
  explicit FeatureCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Copies the feature of a sample into `row`.
  /// @param[out] row [D]
  /// @returns false, with `row` unchanged, when it is not known, or known with another width
  bool find(FeatureKey const& key, std::uint64_t id, VectorView<float> row) {
    load(key);
    std::shared_lock const lock(mutex_);
    Group const& group = groups_.at(key);
    auto const place = group.places.find(id);
    if (place == group.places.end() || group.width != row.size()) { return false; }
    std::copy_n(group.values.data() + place->second * static_cast<std::size_t>(group.width), group.width, row.data());
    return true;
  }

  /// Remembers the feature of a sample; one that is known already stays as it is.
  /// @param row [D]
  /// @throws ShapeError  when another width is stored under this key, or D = 0
  void insert(FeatureKey const& key, std::uint64_t id, NonDeduced<VectorView<float const>> row) {
    expects(!row.empty(), "FeatureCache::insert", "a feature must have at least one number", row.size());
    load(key);
    std::unique_lock const lock(mutex_);
    Group& group = groups_.at(key);
    if (group.ids.empty()) { group.width = row.size(); }
    expects(group.width == row.size(), "FeatureCache::insert", "all features of a key must have one width", row.size(), group.width);
    if (!group.places.try_emplace(id, group.ids.size()).second) { return; }
    group.ids.push_back(id);
    group.values.insert(group.values.end(), row.begin(), row.end());
    group.changed = true;
  }

  /// Number of samples known under a key.
  [[nodiscard]] Index size(FeatureKey const& key) {
    load(key);
    std::shared_lock const lock(mutex_);
    return static_cast<Index>(groups_.at(key).ids.size());
  }

  /// Writes what is new to the folder, each file whole or not at all. Does nothing without a folder.
  /// @throws FileError  when the folder cannot be made or written; the memory stays as it is
  void flush() {
    if (folder_.empty()) { return; }
    std::unique_lock const lock(mutex_);
    for (auto& [key, group] : groups_) {
      if (!group.changed) { continue; }
      std::error_code problem;
      std::filesystem::create_directories(folder_, problem);
      if (problem) { fail<FileError>("FeatureCache", folder_.string(), " cannot be made: ", problem.message()); }
      write(key, group);
      group.changed = false;
    }
  }

  /// Where the features of a key lie; empty without a folder.
  [[nodiscard]] std::filesystem::path path(FeatureKey const& key) const {
    if (folder_.empty()) { return {}; }
    return folder_ / message("features-", hexadecimal(hash64(bytes_of(text_of(key)))), ".safetensors");
  }

 private:
  struct Group {
    Index width = 0;
    std::vector<std::uint64_t> ids;
    std::vector<float> values;  ///< [ids, width]
    std::unordered_map<std::uint64_t, std::size_t> places;
    bool changed = false;
  };

  static std::span<std::byte const> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

  static std::string hexadecimal(std::uint64_t value) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text(16, '0');
    for (auto place = text.rbegin(); place != text.rend(); ++place, value >>= 4U) { *place = digits[value & 15U]; }
    return text;
  }

  /// Lengths first, so that no two keys share a text.
  static std::string text_of(FeatureKey const& key) { return message(key.weights.size(), ' ', key.weights, ' ', key.preprocessing.size(), ' ', key.preprocessing, ' ', key.execution); }

  static std::string checksum(Group const& group) {
    std::array<std::uint64_t, 2> const parts{hash64(std::as_bytes(std::span(group.ids))), hash64(std::as_bytes(std::span(group.values)))};
    return hexadecimal(hash64(std::as_bytes(std::span(parts))));
  }

  void load(FeatureKey const& key) {
    {
      std::shared_lock const lock(mutex_);
      if (groups_.contains(key)) { return; }
    }
    std::unique_lock const lock(mutex_);
    if (groups_.contains(key)) { return; }
    groups_.emplace(key, folder_.empty() ? Group() : read(key));
  }

  [[nodiscard]] Group read(FeatureKey const& key) const {
    std::error_code ignored;
    if (!std::filesystem::exists(path(key), ignored)) { return {}; }
    try {
      auto const file = SafetensorsFile::open(path(key));
      auto const ids = file.read<std::uint64_t, 1>("ids");
      auto const features = file.read<float, 2>("features");
      Group group;
      group.width = features.extent(1);
      group.ids.assign(ids.begin(), ids.end());
      group.values.assign(features.begin(), features.end());
      auto const said = [&](char const* name) {
        auto const place = file.metadata().find(name);
        return place == file.metadata().end() ? std::string() : place->second;
      };
      bool const fits = said("format") == format && said("key") == text_of(key) && said("checksum") == checksum(group) && features.extent(0) == ids.size() && group.width > 0;
      for (std::size_t i = 0; fits && i < group.ids.size(); ++i) { group.places.try_emplace(group.ids[i], i); }
      if (fits && group.places.size() == group.ids.size()) { return group; }
    } catch (Error const&) {
      // Whatever is wrong with the file, its features can be computed again.
    }
    Group empty;
    empty.changed = true;
    return empty;
  }

  void write(FeatureKey const& key, Group const& group) const {
    if (group.ids.empty()) {
      std::error_code ignored;
      std::filesystem::remove(path(key), ignored);
      return;
    }
    SafetensorsWriter writer;
    writer.metadata("format", std::string(format));
    writer.metadata("key", text_of(key));
    writer.metadata("checksum", checksum(group));
    auto const count = static_cast<Index>(group.ids.size());
    writer.add("ids", VectorView<std::uint64_t const>(group.ids.data(), {count}));
    writer.add("features", MatrixView<float const>(group.values.data(), {count, group.width}));
    writer.write(path(key));
  }

  static constexpr std::string_view format = "accrete feature cache 1";

  std::filesystem::path folder_;
  std::map<FeatureKey, Group> groups_;
  std::shared_mutex mutex_;
};

}  // namespace accrete
