// Any text either is an index whose files are plain siblings, or is refused by a FileError of one line.
#include <accrete/io/checkpoint_index.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    auto const index = accrete::CheckpointIndex::parse({reinterpret_cast<char const*>(data), size}, "index");
    for (auto const& [tensor, file] : index.files) {
      std::filesystem::path const path = std::filesystem::path("folder") / file;
      if (path.parent_path() != "folder" || path.lexically_normal() != path) { std::abort(); }
    }
  } catch (accrete::FileError const& error) {
    std::string_view const said = error.what();
    if (said.size() > 2000 || said.find('\n') != std::string_view::npos) { std::abort(); }
  }
  return 0;
}
