#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/decode_limits.hpp>
#include <accrete/data/image.hpp>

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace accrete::detail {

/// One PNG picture being decoded by libpng, row by row, into the 8-bit RGB that Pillow's convert("RGB") gives:
/// grey scaled to 0..255 and replicated, palette looked up (black beyond its end), alpha and transparency dropped, 16-bit samples by their high byte.
/// One difference: Pillow shows 16-bit grey without alpha clamped at 255, white nearly everywhere; no picture is meant by that, so it is the high byte too.
///
/// libpng reports errors by a callback that must not return; see JpegDecoder for how that becomes an exception.
class PngDecoder {
 public:
  PngDecoder(std::span<std::byte const> bytes, std::string_view name, DecodeLimits const& limits)
      : bytes_(bytes), name_(name), limits_(limits), png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &PngDecoder::on_error, [](png_structp, png_const_charp) {})) {
    if (png_ == nullptr) { damaged("libpng could not start"); }
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      damaged("libpng could not start");
    }
  }
  PngDecoder(PngDecoder const&) = delete;
  PngDecoder& operator=(PngDecoder const&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  [[nodiscard]] Image decode() {
    read_header();
    Image image{Tensor<std::uint8_t, 3>({height_, width_, 3})};
    // Interlaced passes touch every row several times, so all raw rows stay; otherwise one is enough.
    Index const raw_rows = passes_ > 1 ? height_ : 1;
    auto raw = Tensor<std::uint8_t, 2>::zeros({raw_rows, row_bytes_});
    std::uint8_t* const rows = raw.data();
    std::uint8_t* const pixels = image.pixels.data();
    guarded([this, rows, pixels] {
      for (int pass = 0; pass < passes_; ++pass) {
        for (Index y = 0; y < height_; ++y) {
          std::uint8_t* const row = passes_ > 1 ? rows + y * row_bytes_ : rows;
          png_read_row(png_, row, nullptr);
          if (pass + 1 == passes_) { to_rgb(row, pixels + y * width_ * 3); }
        }
      }
      png_read_end(png_, nullptr);
    });
    return image;
  }

 private:
  template <class Call>
  void guarded(Call call) {
    if (setjmp(jump_) != 0) { damaged(message_.data()); }  // NOLINT(cert-err52-cpp,modernize-avoid-setjmp-longjmp)
    call();
  }

  [[noreturn]] void damaged(std::string_view reason) const { fail<FileError>("decode_image", name_, " is not a readable PNG file: ", reason); }

  void read_header() {
    guarded([this] {
      png_set_read_fn(png_, this, &PngDecoder::on_read);
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);             // ours come below, with the numbers
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);  // texts and profiles can be bombs of their own
      png_read_info(png_, info_);
    });
    width_ = png_get_image_width(png_, info_);
    height_ = png_get_image_height(png_, info_);
    depth_ = png_get_bit_depth(png_, info_);
    channels_ = png_get_channels(png_, info_);
    palette_ = png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE;
    if (width_ > limits_.side || height_ > limits_.side || width_ > limits_.pixels / height_) {
      fail<FileError>("decode_image", name_, " has ", width_, " x ", height_, " pixels; allowed are ", limits_.pixels, " in all and ", limits_.side, " a side");
    }
    // Deflate expands a byte to 1032 at most.
    if (width_ * height_ / 8 * channels_ * depth_ / 1032 > static_cast<Index>(bytes_.size())) { damaged("it has too few bytes for its size in pixels"); }
    if (palette_) { read_palette(); }
    guarded([this] {
      png_set_packing(png_);
      passes_ = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      row_bytes_ = static_cast<Index>(png_get_rowbytes(png_, info_));
    });
  }

  void read_palette() {
    png_colorp entries = nullptr;
    int count = 0;
    png_get_PLTE(png_, info_, &entries, &count);
    for (int i = 0; i < std::min(count, 256); ++i) { colours_[static_cast<std::size_t>(i)] = {entries[i].red, entries[i].green, entries[i].blue}; }
  }

  void to_rgb(std::uint8_t const* row, std::uint8_t* rgb) const {
    Index const step = channels_ * (depth_ == 16 ? 2 : 1);  // 16-bit samples are stored high byte first
    if (palette_) {
      for (Index x = 0; x < width_; ++x) { std::copy_n(colours_[row[x]].data(), 3, rgb + 3 * x); }
    } else if (channels_ >= 3) {
      Index const sample = step / channels_;
      for (Index x = 0; x < width_; ++x) {
        for (Index c = 0; c < 3; ++c) { rgb[3 * x + c] = row[x * step + c * sample]; }
      }
    } else {
      int const scale = depth_ < 8 ? 255 / ((1 << depth_) - 1) : 1;
      for (Index x = 0; x < width_; ++x) { std::fill_n(rgb + 3 * x, 3, static_cast<std::uint8_t>(row[x * step] * scale)); }
    }
  }

  [[noreturn]] static void on_error(png_structp png, png_const_charp reason) {
    auto& self = *static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::snprintf(self.message_.data(), self.message_.size(), "%s", reason);
    std::longjmp(self.jump_, 1);  // NOLINT(cert-err52-cpp,modernize-avoid-setjmp-longjmp)
  }

  static void on_read(png_structp png, png_bytep target, std::size_t count) {
    auto& self = *static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (count > self.bytes_.size()) { png_error(png, "the file ends too early"); }
    std::memcpy(target, self.bytes_.data(), count);
    self.bytes_ = self.bytes_.subspan(count);
  }

  std::span<std::byte const> bytes_;  ///< what is still unread
  std::string name_;
  DecodeLimits limits_;
  std::jmp_buf jump_{};
  std::array<char, 200> message_{};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  Index width_ = 0;
  Index height_ = 0;
  Index row_bytes_ = 0;
  int depth_ = 0;
  int channels_ = 0;
  int passes_ = 1;
  bool palette_ = false;
  std::array<std::array<std::uint8_t, 3>, 256> colours_{};
};

}  // namespace accrete::detail
