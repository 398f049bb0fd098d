#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/hash.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/core/utf8.hpp>
#include <accrete/data/data_set.hpp>
#include <accrete/data/decode_limits.hpp>
#include <accrete/data/image_files.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace accrete {

/// How a folder without a test part is divided, and what its pictures may ask for.
struct FolderSettings {
  double test_fraction = 0.2;  ///< of each class, in [0, 1); rounded, at least one picture stays on each side of a class with two or more
  std::uint64_t seed = 1993;
  DecodeLimits limits{};
};

namespace detail {

/// The pictures of one class.
struct ClassFolder {
  std::string name;
  std::vector<std::filesystem::path> files;
};

[[nodiscard]] inline std::vector<ClassFolder> class_folders(std::filesystem::path const& folder) {
  std::vector<ClassFolder> classes;
  std::error_code ignored;
  for (auto const& entry : sorted_entries("image_folder", folder)) {
    if (!std::filesystem::is_directory(entry, ignored)) { continue; }
    std::string name = entry.filename().string();
    // Names go into JSON files, which know nothing but UTF-8.
    if (!is_utf8(name)) { fail<FileError>("image_folder", folder.string(), " has a class folder whose name is not UTF-8"); }
    classes.push_back({std::move(name), image_files(entry)});
    if (classes.back().files.empty()) { fail<FileError>("image_folder", "the class folder ", entry.string(), " holds no pictures"); }
  }
  if (classes.empty()) { fail<FileError>("image_folder", folder.string(), " holds no class folders"); }
  return classes;
}

[[nodiscard]] inline std::vector<std::string> names_of(std::vector<ClassFolder> const& classes) {
  std::vector<std::string> names;
  names.reserve(classes.size());
  for (ClassFolder const& one : classes) { names.push_back(one.name); }
  return names;
}

[[nodiscard]] inline Examples examples_of(std::vector<ClassFolder> const& classes, DecodeLimits const& limits) {
  std::vector<std::filesystem::path> files;
  std::vector<Index> labels;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    files.insert(files.end(), classes[label].files.begin(), classes[label].files.end());
    labels.resize(files.size(), static_cast<Index>(label));
  }
  return labelled_files(std::move(files), std::move(labels), names_of(classes), limits);
}

/// @throws FileError  naming the first class that only one of the parts has: its absence would shift all labels behind it
inline void expect_same_classes(std::filesystem::path const& train_path, std::vector<ClassFolder> const& train, std::filesystem::path const& test_path, std::vector<ClassFolder> const& test) {
  auto const train_names = names_of(train);
  auto const test_names = names_of(test);
  auto const [left, right] = std::mismatch(train_names.begin(), train_names.end(), test_names.begin(), test_names.end());
  if (left == train_names.end() && right == test_names.end()) { return; }
  bool const in_train = right == test_names.end() || (left != train_names.end() && *left < *right);
  fail<FileError>("image_folder", "the class '", in_train ? *left : *right, "' is in ", (in_train ? train_path : test_path).string(), " but not in ", (in_train ? test_path : train_path).string());
}

/// Positions of the test pictures among the `count` of a class: they depend on the seed, the class's name and the count only, so another class changes nothing.
[[nodiscard]] inline std::vector<bool> drawn_for_test(std::string const& class_name, std::size_t count, FolderSettings const& settings) {
  auto const wanted = static_cast<std::size_t>(std::llround(settings.test_fraction * static_cast<double>(count)));
  std::size_t const least = settings.test_fraction > 0 && count > 1 ? 1 : 0;
  std::size_t const number = std::clamp(wanted, least, std::max(count - 1, least));
  RngKey const key{.seed = settings.seed, .purpose = Purpose::split, .object = hash64(std::as_bytes(std::span(class_name)))};
  auto const order = Rng(key).permutation(static_cast<Index>(count));
  std::vector<bool> drawn(count, false);
  for (std::size_t i = 0; i < number; ++i) { drawn[static_cast<std::size_t>(order[i])] = true; }
  return drawn;
}

[[nodiscard]] inline DataSet split_folder(std::filesystem::path const& folder, FolderSettings const& settings) {
  auto const all = class_folders(folder);
  std::vector<std::filesystem::path> files[2];
  std::vector<Index> labels[2];
  Index single = 0;
  for (std::size_t label = 0; label < all.size(); ++label) {
    auto const drawn = drawn_for_test(all[label].name, all[label].files.size(), settings);
    single += all[label].files.size() == 1 ? 1 : 0;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      files[drawn[i] ? 1 : 0].push_back(all[label].files[i]);
      labels[drawn[i] ? 1 : 0].push_back(static_cast<Index>(label));
    }
  }
  std::string note = message("no test folder: ", files[1].size(), " of ", files[0].size() + files[1].size(), " pictures were drawn for testing, a fraction of ", settings.test_fraction,
                             " of each class by seed ", settings.seed);
  if (single > 0) { note += message("; ", single, single == 1 ? " class has" : " classes have", " one picture only and none to test"); }
  auto const names = names_of(all);
  return {labelled_files(std::move(files[0]), std::move(labels[0]), names, settings.limits), labelled_files(std::move(files[1]), std::move(labels[1]), names, settings.limits),
          folder.filename().string(), std::move(note)};
}

}  // namespace detail

/// A folder per class, the classes in the order of their names. With `train/` and `test/` (or `val/`) below, each of these holds the class folders;
/// otherwise the pictures of each class are divided by the seed, which `note` says.
/// @throws FileError   naming what is wrong: no classes, a class without pictures, a class in one part only, a folder that cannot be listed
/// @throws ValueError  when the fraction lies outside of [0, 1)
/// @source specification: backbone.md §7.4
[[nodiscard]] inline DataSet image_folder(std::filesystem::path const& folder, FolderSettings const& settings = {}) {
  if (!(settings.test_fraction >= 0 && settings.test_fraction < 1)) { fail<ValueError>("image_folder", "the test fraction must lie in [0, 1), came ", settings.test_fraction); }
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) { fail<FileError>("image_folder", folder.string(), " is not a folder"); }
  auto const train_path = folder / "train";
  bool const has_test = std::filesystem::is_directory(folder / "test", ignored);
  bool const has_val = std::filesystem::is_directory(folder / "val", ignored);
  if (!std::filesystem::is_directory(train_path, ignored) || !(has_test || has_val)) { return detail::split_folder(folder, settings); }

  auto const test_path = folder / (has_test ? "test" : "val");
  auto const train = detail::class_folders(train_path);
  auto const test = detail::class_folders(test_path);
  detail::expect_same_classes(train_path, train, test_path, test);
  std::string note;
  if (!has_test) { note = "tested on val/, there is no test/"; }
  if (has_test && has_val) { note = "val/ is not used"; }
  return {detail::examples_of(train, settings.limits), detail::examples_of(test, settings.limits), folder.filename().string(), std::move(note)};
}

}  // namespace accrete
