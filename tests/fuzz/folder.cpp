#include "refusal.hpp"

#include <accrete/data/folder.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace {

/// One folder for the whole run, emptied before each input: in memory where the system has such a place, since a run is nothing but calls to it.
std::filesystem::path const& workplace() {
  static std::filesystem::path const path = [] {
    std::filesystem::path const memory = "/dev/shm";
    auto made = (std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path()) / ("accrete-fuzz-folder-" + std::to_string(::getpid()));
    std::atexit([] {
      std::error_code ignored;
      std::filesystem::remove_all(workplace(), ignored);
    });
    return made;
  }();
  return path;
}

bool is_safe(std::string_view path) { return !path.empty() && path.front() != '/' && path.size() < 100 && path.find('\0') == std::string_view::npos && path.find("..") == std::string_view::npos; }

/// A line makes an entry: `a/b/` a folder, `a>b` a link a to b, anything else an empty file. As few calls to the system as will do: they are what a run spends its time on.
void make(std::string_view line) {
  std::error_code ignored;
  auto const arrow = line.find('>');
  std::string_view const place = line.substr(0, arrow);
  if (!is_safe(place)) { return; }
  auto const path = workplace() / place;
  for (int attempt = 0; attempt < 2; ++attempt) {
    int made = -1;
    if (arrow != std::string_view::npos) {
      if (!is_safe(line.substr(arrow + 1))) { return; }
      made = ::symlink((workplace() / line.substr(arrow + 1)).c_str(), path.c_str());
    } else if (place.back() == '/') {
      made = ::mkdir(path.c_str(), 0700);
    } else {
      made = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
      if (made >= 0) { ::close(made); }
    }
    if (made >= 0 || errno != ENOENT) { return; }
    std::filesystem::create_directories(path.parent_path(), ignored);
  }
}

void read_all(accrete::FolderSettings const& settings) {
  auto const data = accrete::image_folder(workplace(), settings);
  if (data.train.class_names() != data.test.class_names()) { std::abort(); }
  for (auto const& part : {data.train, data.test}) {
    for (accrete::Index i = 0; i < part.size(); ++i) { accrete::fuzz::touch(part.where(i)); }
    if (part.empty()) { continue; }
    accrete::fuzz::expect_result_or_refusal(part.where(0), [&] { static_cast<void>(part.id(0)); });
    accrete::fuzz::expect_result_or_refusal(part.where(0), [&] { static_cast<void>(part.image(0)); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::error_code ignored;
  std::filesystem::remove_all(workplace(), ignored);
  std::filesystem::create_directory(workplace(), ignored);
  std::string_view text(reinterpret_cast<char const*>(data), size);
  for (int lines = 0; !text.empty() && lines < 10; ++lines) {
    auto const end = std::min(text.find('\n'), text.size());
    make(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  accrete::fuzz::expect_result_or_refusal(workplace().string(), [] { read_all({.test_fraction = 0.3}); });
  return 0;
}
