#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/hash.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/decode.hpp>
#include <accrete/data/decode_limits.hpp>
#include <accrete/data/detail/read_file.hpp>
#include <accrete/data/examples.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace accrete {

namespace detail {

[[nodiscard]] inline bool is_picture_name(std::filesystem::path const& path) {
  static constexpr std::array<std::string_view, 9> extensions{".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

/// Entries of a folder sorted by the bytes of their names, which is the order of code points in UTF-8.
[[nodiscard]] inline std::vector<std::filesystem::path> sorted_entries(std::string_view function, std::filesystem::path const& folder) {
  std::error_code problem;
  std::vector<std::filesystem::path> entries;
  std::filesystem::directory_iterator entry(folder, problem);
  for (; !problem && entry != std::filesystem::directory_iterator(); entry.increment(problem)) { entries.push_back(entry->path()); }
  if (problem) { fail<FileError>(function, folder.string(), " cannot be listed: ", problem.message()); }
  std::sort(entries.begin(), entries.end(), [](auto const& a, auto const& b) { return a.native() < b.native(); });
  return entries;
}

/// One folder below the first, with the pictures directly in it.
struct PictureFolder {
  std::string path;
  std::vector<std::filesystem::path> files;
};

/// @param above  the real paths of the folders on the way here: a link to one of them would go round for ever
inline void collect_pictures(std::filesystem::path const& folder, std::vector<std::filesystem::path>& above, std::vector<PictureFolder>& found) {
  std::error_code problem;
  auto real = std::filesystem::canonical(folder, problem);
  if (problem) { fail<FileError>("image_files", folder.string(), " cannot be listed: ", problem.message()); }
  if (std::find(above.begin(), above.end(), real) != above.end()) { fail<FileError>("image_files", folder.string(), " links back to a folder it lies in"); }
  above.push_back(std::move(real));
  PictureFolder here{folder.string(), {}};
  for (auto const& entry : sorted_entries("image_files", folder)) {
    if (std::filesystem::is_directory(entry, problem)) {
      collect_pictures(entry, above, found);
    } else if (is_picture_name(entry)) {
      here.files.push_back(entry);
    }
  }
  found.push_back(std::move(here));
  above.pop_back();
}

}  // namespace detail

/// The pictures of a folder and of those below it, by their extensions (.jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp in any case), links followed:
/// folders sorted by their path, then files by their name, as bytes. Names say what is listed; whether a file can be read shows when it is.
/// @throws FileError  when a folder cannot be listed or links back to one above it
/// @source specification: backbone.md §7.4
[[nodiscard]] inline std::vector<std::filesystem::path> image_files(std::filesystem::path const& folder) {
  std::vector<std::filesystem::path> above;
  std::vector<detail::PictureFolder> folders;
  detail::collect_pictures(folder, above, folders);
  std::sort(folders.begin(), folders.end(), [](auto const& a, auto const& b) { return a.path < b.path; });
  std::vector<std::filesystem::path> files;
  for (auto& one : folders) { std::move(one.files.begin(), one.files.end(), std::back_inserter(files)); }
  return files;
}

/// Picture files with their labels. A file is read when it is asked for, and its id is the hash of its bytes.
/// @param labels  one per file, in [0, class_names.size())
/// @throws ValueError  when the numbers of files and labels differ, or a label has no name
[[nodiscard]] inline Examples labelled_files(std::vector<std::filesystem::path> files, std::vector<Index> labels, std::vector<std::string> class_names, DecodeLimits const& limits = {}) {
  if (files.size() != labels.size()) { fail<ValueError>("labelled_files", "there are ", files.size(), " files but ", labels.size(), " labels"); }
  auto const paths = std::make_shared<std::vector<std::filesystem::path> const>(std::move(files));
  Source source;
  source.class_names = std::move(class_names);
  source.labels = std::move(labels);
  source.image = [paths, limits](Index i) { return read_image((*paths)[static_cast<std::size_t>(i)], limits); };
  source.id = [paths, limits](Index i) {
    auto const bytes = detail::read_file("labelled_files", (*paths)[static_cast<std::size_t>(i)], static_cast<std::uintmax_t>(limits.file_bytes));
    return hash64(detail::as_bytes(bytes));
  };
  source.where = [paths](Index i) { return (*paths)[static_cast<std::size_t>(i)].string(); };
  return Examples(std::move(source));
}

}  // namespace accrete
