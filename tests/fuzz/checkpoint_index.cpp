// Any text either is an index whose files are plain siblings, or is refused by a FileError of one line; and what is JSON is judged as another reader judges it.
#include <accrete/io/checkpoint_index.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace {

/// Ours refuses more (repeated keys, deep nesting, numbers out of range), but what it calls invalid is, and what it reads means the same.
void compare_readers(std::string_view text) {
  try {
    auto const ours = accrete::parse_strict_json(text, "index").dump();
    if (nlohmann::json::parse(ours) != nlohmann::json::parse(text)) { std::abort(); }
  } catch (accrete::FileError const& error) {
    if (std::string_view(error.what()).find("is not valid JSON (byte") == std::string_view::npos) { return; }
    // The other reader takes a NUL for the end of its input and swallows a byte order mark.
    bool const tolerated = text.find('\0') != std::string_view::npos || text.substr(0, 3) == "\xEF\xBB\xBF";
    if (!tolerated && nlohmann::json::accept(text)) { std::abort(); }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  compare_readers({reinterpret_cast<char const*>(data), size});
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
