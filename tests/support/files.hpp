#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace accrete::test {

/// A fresh folder that is removed with everything in it when the object goes.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "accrete-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) { throw std::runtime_error("no temporary folder could be made as " + pattern); }
    path_ = pattern;
  }
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::filesystem::path const& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::filesystem::path const& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Writes a file of exactly these bytes, and the folders it lies in.
inline void write_file(std::filesystem::path const& path, std::string_view bytes) {
  if (path.has_parent_path()) { std::filesystem::create_directories(path.parent_path()); }
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) { throw std::runtime_error("cannot write " + path.string()); }
}

/// The bytes of a file.
[[nodiscard]] inline std::string read_file(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) { throw std::runtime_error("cannot read " + path.string()); }
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Folder of the material that may be read but is not part of the project; empty where it is absent.
[[nodiscard]] inline std::filesystem::path shared_folder() { return ACCRETE_SHARED_DIR; }

}  // namespace accrete::test
