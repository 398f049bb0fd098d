#include "photo_checksums.hpp"
#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"

#include <accrete/data/decode.hpp>

#include <doctest/doctest.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace accrete::test {
namespace {

std::span<std::byte const> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24U), static_cast<char>(value >> 16U & 255U), static_cast<char>(value >> 8U & 255U), static_cast<char>(value & 255U)};
}

std::string png_chunk(std::string const& type, std::string const& data) {
  std::string const body = type + data;
  return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(static_cast<std::uint32_t>(crc32(0, reinterpret_cast<Bytef const*>(body.data()), static_cast<uInt>(body.size()))));
}

struct PngParts {
  std::uint32_t width = 1;
  std::uint32_t height = 1;
  char depth = 8;
  char colour = 0;
  std::string rows{};  ///< each with its filter byte
  std::string palette{};
};

std::string png_file(PngParts const& parts) {
  std::string packed(compressBound(static_cast<uLong>(parts.rows.size())), '\0');
  uLongf size = packed.size();
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<Bytef const*>(parts.rows.data()), static_cast<uLong>(parts.rows.size())) == Z_OK);
  packed.resize(size);
  std::string const head = big_endian(parts.width) + big_endian(parts.height) + std::string{parts.depth, parts.colour, 0, 0, 0};
  std::string const palette = parts.palette.empty() ? "" : png_chunk("PLTE", parts.palette);
  return "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", head) + palette + png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

std::vector<int> levels(Image const& image) { return {image.pixels.begin(), image.pixels.end()}; }

/// The marker segment without what it holds: from its FF to the next marker.
std::string without_segment(std::string file, char marker) {
  auto const at = file.find(std::string{'\xFF', marker});
  REQUIRE(at != std::string::npos);
  auto const length = static_cast<std::size_t>(static_cast<unsigned char>(file[at + 2]) * 256 + static_cast<unsigned char>(file[at + 3]));
  return file.erase(at, length + 2);
}

}  // namespace

TEST_CASE("every kind of PNG and JPEG decodes to the pixels of the reference") {
  auto const expected = golden("images");
  int seen = 0;
  for (std::string const& name : expected.names()) {
    CAPTURE(name);
    auto const image = read_image(golden_path("images/" + name));
    CHECK(same_bits(image.pixels, expected.read<std::uint8_t, 3>(name)));
    ++seen;
  }
  CHECK(seen >= 25);
}

TEST_CASE("photographs decode to Pillow's pixels") {
  if (shared_folder().empty()) {
    MESSAGE("skipped: the shared photographs are not here");
    return;
  }
  for (PhotoChecksum const& photo : photo_checksums) {
    CAPTURE(photo.file);
    auto const image = read_image(shared_folder() / "data" / "photos" / photo.file);
    CHECK(image.height() == photo.height);
    CHECK(image.width() == photo.width);
    CHECK(crc32(0, image.pixels.data(), static_cast<uInt>(image.pixels.size())) == photo.pixels);
  }
}

TEST_CASE("inks are inverted whether or not the file has Adobe's marker, as Pillow reads them") {
  std::string const file = read_file(golden_path("images/cmyk.jpg"));
  auto const bare = without_segment(file, '\xEE');
  CHECK(bare.size() < file.size());
  CHECK(same_bits(decode_image(bytes_of(bare), "bare").pixels, golden("images").read<std::uint8_t, 3>("cmyk.jpg")));
}

TEST_CASE("small PNG files give the values written into them") {
  using namespace std::string_literals;
  auto const decode = [](PngParts const& parts) { return levels(decode_image(bytes_of(png_file(parts)), "made.png")); };
  SUBCASE("grey of 1, 2 and 4 bits spans 0 to 255") {
    CHECK(decode({.width = 3, .depth = 1, .rows = "\0\xA0"s}) == std::vector<int>{255, 255, 255, 0, 0, 0, 255, 255, 255});
    CHECK(decode({.width = 4, .depth = 2, .rows = "\0\x1B"s}) == std::vector<int>{0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255});
    CHECK(decode({.width = 2, .depth = 4, .rows = "\0\x1B"s}) == std::vector<int>{17, 17, 17, 187, 187, 187});
  }
  SUBCASE("16-bit samples give their high byte") {
    CHECK(decode({.depth = 16, .rows = "\0\x7F\xFF"s}) == std::vector<int>{127, 127, 127});
    CHECK(decode({.depth = 16, .colour = 2, .rows = "\0\x12\xFF\0\xFF\xFF\0"s}) == std::vector<int>{0x12, 0, 255});
    CHECK(decode({.depth = 16, .colour = 6, .rows = "\0\x12\x34\xFF\xFF\0\xFF\1\0"s}) == std::vector<int>{0x12, 255, 0});
  }
  SUBCASE("alpha is dropped, not blended") { CHECK(decode({.colour = 6, .rows = "\0\x0A\x14\x1E\0"s}) == std::vector<int>{10, 20, 30}); }
  SUBCASE("an index beyond the palette is black") {
    CHECK(decode({.width = 4, .colour = 3, .rows = "\0\0\1\2\xFF"s, .palette = "\x0A\x14\x1E\x28\x32\x3C"}) == std::vector<int>{10, 20, 30, 40, 50, 60, 0, 0, 0, 0, 0, 0});
  }
}

TEST_CASE("a file cut anywhere is refused by name, but for a JPEG that lacks only its end marker") {
  for (auto const& entry : std::filesystem::directory_iterator(golden_path("images"))) {
    std::string const file = read_file(entry.path());
    std::string const name = entry.path().filename().string();
    CAPTURE(name);
    bool const may_lack_end = entry.path().extension() == ".jpg" && name.find("progressive") == std::string::npos;
    auto const whole = decode_image(bytes_of(file), name);
    for (std::size_t length = 0; length < file.size(); ++length) {
      CAPTURE(length);
      try {
        auto const cut = decode_image(bytes_of(std::string_view(file).substr(0, length)), name);
        CHECK((may_lack_end && length + 2 >= file.size()));
        CHECK(same_bits(cut.pixels, whole.pixels));
      } catch (FileError const& error) { CHECK(std::string_view(error.what()).find(name) != std::string_view::npos); }
    }
  }
}

TEST_CASE("a damaged JPEG is refused where a lenient decoder would fill in grey") {
  std::string file = read_file(golden_path("images/rgb_444.jpg"));
  SUBCASE("the end marker comes early") {
    file.resize(file.size() - 200);
    file += "\xFF\xD9";
    CHECK_THROWS_AS(static_cast<void>(decode_image(bytes_of(file), "early.jpg")), FileError);
  }
  SUBCASE("bytes before a marker lose nothing") {
    auto const whole = decode_image(bytes_of(file), "whole.jpg");
    auto const tables = file.find("\xFF\xDB");
    REQUIRE(tables != std::string::npos);
    file.insert(tables, "stray bytes");
    CHECK(same_bits(decode_image(bytes_of(file), "extra.jpg").pixels, whole.pixels));
  }
}

TEST_CASE("what is not a JPEG or PNG file is refused by name and by what it is") {
  auto const refused = [](std::string_view bytes, char const* reason) { CHECK_THROWS_WITH_AS(static_cast<void>(decode_image(bytes_of(bytes), "folder/x")), doctest::Contains(reason), FileError); };
  refused("", "folder/x is empty");
  refused("hello, world", "folder/x is neither a JPEG nor a PNG file");
  refused("RIFF....WEBPVP8 ", "folder/x is a WebP file; JPEG and PNG are supported");
  refused("GIF89a", "GIF");
  refused("\xFF\xD8\xFF", "folder/x is not a readable JPEG file");
  refused("\x89PNG\r\n\x1A\n", "folder/x is not a readable PNG file: the file ends too early");

  TemporaryFolder const folder;
  CHECK_THROWS_WITH_AS(static_cast<void>(read_image(folder / "none.png")), doctest::Contains("none.png does not exist"), FileError);
  CHECK_THROWS_WITH_AS(static_cast<void>(read_image(folder.path())), doctest::Contains("is not a file"), FileError);
  write_file(folder / "empty.jpg", "");
  CHECK_THROWS_WITH_AS(static_cast<void>(read_image(folder / "empty.jpg")), doctest::Contains("empty.jpg is empty"), FileError);
}

TEST_CASE("a few bytes cannot claim all memory") {
  using namespace std::string_literals;
  auto const refused = [](std::string const& file, char const* reason) { CHECK_THROWS_WITH_AS(static_cast<void>(decode_image(bytes_of(file), "bomb")), doctest::Contains(reason), FileError); };
  refused(png_file({.width = 12000, .height = 12000, .rows = "\0"s}), "too few bytes for its size in pixels");
  refused(png_file({.width = 20000, .height = 20000, .rows = "\0"s}), "20000 x 20000 pixels");
  refused(png_file({.width = 2000001, .height = 1, .rows = "\0"s}), "2000001 x 1 pixels");

  std::string jpeg = read_file(golden_path("images/rgb_444.jpg"));
  auto const frame = jpeg.find("\xFF\xC0");
  REQUIRE(frame != std::string::npos);
  jpeg.replace(frame + 5, 4, "\x2E\xE0\x2E\xE0");  // 12000 x 12000
  refused(jpeg, "too few bytes for its size in pixels");
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");
  refused(jpeg, "65500 x 65500 pixels");

  auto const image = golden_path("images/rgb.png");
  CHECK_THROWS_WITH_AS(static_cast<void>(read_image(image, {.pixels = 100})), doctest::Contains("allowed are 100 in all"), FileError);
  CHECK_THROWS_WITH_AS(static_cast<void>(read_image(image, {.file_bytes = 100})), doctest::Contains("more than the 100 allowed"), FileError);
  CHECK_THROWS_WITH_AS(static_cast<void>(read_image(golden_path("images/progressive_420.jpg"), {.scans = 2})), doctest::Contains("more than 2 scans"), FileError);
}

}  // namespace accrete::test
