#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/decode_limits.hpp>
#include <accrete/data/image.hpp>

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

namespace accrete::detail {

/// One JPEG picture being decoded by libjpeg(-turbo) with its accurate integer transform and smooth chroma upsampling: Pillow's choice, hence Pillow's pixels.
///
/// libjpeg reports errors by a callback that must not return. It jumps back into `guarded`, which throws; only frames of C code and of
/// lambdas without destructors are jumped over.
class JpegDecoder {
 public:
  JpegDecoder(std::span<std::byte const> bytes, std::string_view name, DecodeLimits const& limits) : bytes_(bytes), name_(name), limits_(limits) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = &JpegDecoder::on_error;
    errors_.emit_message = &JpegDecoder::on_message;
    errors_.output_message = [](j_common_ptr) {};
    guarded([this] { jpeg_create_decompress(&info_); });
    source_.next_input_byte = reinterpret_cast<JOCTET const*>(bytes_.data());
    source_.bytes_in_buffer = bytes_.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = &JpegDecoder::on_end_of_data;
    source_.skip_input_data = &JpegDecoder::on_skip;
    source_.resync_to_restart = &jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    info_.src = &source_;
    progress_.progress_monitor = &JpegDecoder::on_progress;
    info_.progress = &progress_;
  }
  JpegDecoder(JpegDecoder const&) = delete;
  JpegDecoder& operator=(JpegDecoder const&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }

  [[nodiscard]] Image decode() {
    guarded([this] { jpeg_read_header(&info_, TRUE); });
    check_header();
    bool const four_inks = info_.num_components == 4;
    info_.out_color_space = four_inks ? JCS_CMYK : JCS_RGB;
    info_.dct_method = JDCT_ISLOW;
    info_.do_fancy_upsampling = TRUE;
    guarded([this] { jpeg_start_decompress(&info_); });

    Index const height = info_.output_height;
    Index const width = info_.output_width;
    Image image{Tensor<std::uint8_t, 3>({height, width, 3})};
    Tensor<std::uint8_t, 1> inks({four_inks ? width * 4 : 0});
    std::uint8_t* const pixels = image.pixels.data();
    std::uint8_t* const line = inks.data();
    guarded([this, pixels, line, width] {
      while (info_.output_scanline < info_.output_height) {
        std::uint8_t* const row = pixels + static_cast<Index>(info_.output_scanline) * width * 3;
        JSAMPROW target = line != nullptr ? line : row;
        jpeg_read_scanlines(&info_, &target, 1);
        if (line != nullptr) { inks_to_rgb(line, row, width); }
      }
    });
    // A single scan that gave all its rows is complete, with or without the end marker. Where scans refine each other a missing end may hide a missing scan.
    if (ended_early_ && jpeg_has_multiple_scans(&info_) != FALSE) { damaged("the file ends before the last scan"); }
    return image;
  }

 private:
  template <class Call>
  void guarded(Call call) {
    if (setjmp(jump_) != 0) { damaged(message_.data()); }  // NOLINT(cert-err52-cpp,modernize-avoid-setjmp-longjmp)
    call();
  }

  [[noreturn]] void damaged(std::string_view reason) const { fail<FileError>("decode_image", name_, " is not a readable JPEG file: ", reason); }

  void check_header() const {
    auto const pixels = std::uint64_t{info_.image_width} * info_.image_height;
    if (std::max<Index>(info_.image_width, info_.image_height) > limits_.side || pixels > static_cast<std::uint64_t>(limits_.pixels)) {
      fail<FileError>("decode_image", name_, " has ", info_.image_width, " x ", info_.image_height, " pixels; allowed are ", limits_.pixels, " in all and ", limits_.side, " a side");
    }
    // Huffman coding spends a bit per block of 64 pixels at least on one component, which may be sampled at a quarter.
    if (info_.arith_code == FALSE && pixels / 2048 > bytes_.size()) { damaged("it has too few bytes for its size in pixels"); }
    if (info_.num_components != 1 && info_.num_components != 3 && info_.num_components != 4) {
      fail<FileError>("decode_image", name_, " has ", info_.num_components, " colour components; 1, 3 and 4 are supported");
    }
  }

  /// The inks are stored inverted, as Adobe began to and all but everybody follows; Pillow assumes it too.
  ///   C = 255 - stored,  n = stored K,  R = n - round(C n / 255)
  static void inks_to_rgb(std::uint8_t const* inks, std::uint8_t* rgb, Index width) {
    for (Index x = 0; x < width; ++x, inks += 4, rgb += 3) {
      unsigned const light = inks[3];
      for (int c = 0; c < 3; ++c) {
        unsigned const product = (255U - inks[c]) * light;
        rgb[c] = static_cast<std::uint8_t>(light - (2 * product + 255) / 510);
      }
    }
  }

  static JpegDecoder& of(j_common_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }
  static JpegDecoder& of(j_decompress_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }

  [[noreturn]] static void on_error(j_common_ptr info) {
    JpegDecoder& self = of(info);
    info->err->format_message(info, self.message_.data());
    std::longjmp(self.jump_, 1);  // NOLINT(cert-err52-cpp,modernize-avoid-setjmp-longjmp)
  }

  /// Warnings (level -1) mean lost picture data, but for a few that only name oddities of the writer.
  static void on_message(j_common_ptr info, int level) {
    if (level >= 0) { return; }
    switch (info->err->msg_code) {
      case JWRN_EXTRANEOUS_DATA:
      case JWRN_JFIF_MAJOR:
      case JWRN_ADOBE_XFORM:
      case JWRN_TOO_MUCH_DATA: return;
      default: on_error(info);
    }
  }

  static boolean on_end_of_data(j_decompress_ptr info) {
    static constexpr std::array<JOCTET, 2> end_marker{0xFF, JPEG_EOI};
    of(info).ended_early_ = true;
    info->src->next_input_byte = end_marker.data();
    info->src->bytes_in_buffer = end_marker.size();
    return TRUE;
  }

  static void on_skip(j_decompress_ptr info, long count) {
    if (count <= 0) { return; }
    auto const skip = static_cast<std::size_t>(count);
    if (skip >= info->src->bytes_in_buffer) {
      on_end_of_data(info);
    } else {
      info->src->next_input_byte += skip;
      info->src->bytes_in_buffer -= skip;
    }
  }

  /// Each scan costs a pass over all blocks but only a few bytes of the file.
  static void on_progress(j_common_ptr info) {
    JpegDecoder& self = of(info);
    if (self.info_.input_scan_number <= self.limits_.scans) { return; }
    std::snprintf(self.message_.data(), self.message_.size(), "it has more than %d scans", self.limits_.scans);
    std::longjmp(self.jump_, 1);  // NOLINT(cert-err52-cpp,modernize-avoid-setjmp-longjmp)
  }

  std::span<std::byte const> bytes_;
  std::string name_;
  DecodeLimits limits_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  std::array<char, JMSG_LENGTH_MAX> message_{};
  bool ended_early_ = false;
};

}  // namespace accrete::detail
