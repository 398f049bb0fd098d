#include "refusal.hpp"

#include <accrete/data/folder.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace {

/// One folder for the whole run, emptied before each input.
std::filesystem::path const& workplace() {
  static std::filesystem::path const path = [] {
    auto made = std::filesystem::temp_directory_path() / ("accrete-fuzz-folder-" + std::to_string(::getpid()));
    std::atexit([] {
      std::error_code ignored;
      std::filesystem::remove_all(workplace(), ignored);
    });
    return made;
  }();
  return path;
}

bool is_safe(std::string_view path) { return !path.empty() && path.front() != '/' && path.size() < 100 && path.find('\0') == std::string_view::npos && path.find("..") == std::string_view::npos; }

/// A line makes an entry: `a/b/` a folder, `a>b` a link a to b, anything else a file with its own path in it.
void make(std::string_view line) {
  std::error_code ignored;
  auto const arrow = line.find('>');
  std::string_view const place = line.substr(0, arrow);
  if (!is_safe(place)) { return; }
  auto const path = workplace() / place;
  std::filesystem::create_directories(path.parent_path(), ignored);
  if (arrow != std::string_view::npos) {
    if (is_safe(line.substr(arrow + 1))) { std::filesystem::create_symlink(workplace() / line.substr(arrow + 1), path, ignored); }
  } else if (place.back() == '/') {
    std::filesystem::create_directories(path, ignored);
  } else {
    std::ofstream(path, std::ios::binary) << place;
  }
}

void read_all(accrete::FolderSettings const& settings) {
  auto const data = accrete::image_folder(workplace(), settings);
  if (data.train.class_names() != data.test.class_names()) { std::abort(); }
  for (auto const& part : {data.train, data.test}) {
    for (accrete::Index i = 0; i < part.size(); ++i) {
      accrete::fuzz::expect_result_or_refusal(part.where(i), [&] { static_cast<void>(part.id(i)); });
      accrete::fuzz::expect_result_or_refusal(part.where(i), [&] { static_cast<void>(part.image(i)); });
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::error_code ignored;
  std::filesystem::remove_all(workplace(), ignored);
  std::filesystem::create_directories(workplace(), ignored);
  std::string_view text(reinterpret_cast<char const*>(data), size);
  for (int lines = 0; !text.empty() && lines < 24; ++lines) {
    auto const end = std::min(text.find('\n'), text.size());
    make(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  accrete::fuzz::expect_result_or_refusal(workplace().string(), [] { read_all({.test_fraction = 0.3}); });
  return 0;
}
