#pragma once

#include <accrete/config.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/image.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace accrete::detail {

/// What of one axis becomes what: `out` results over [begin, end) of `in` samples, of which only [first, first + count) are wanted.
struct ResamplePlan {
  Index in;
  double begin;
  double end;
  Index out;
  Index first;
  Index count;

  [[nodiscard]] bool keeps_samples() const { return out == in && begin == 0 && end == static_cast<double>(in); }
};

/// Where the wanted part of a centre crop lies in the picture, and where in the result.
struct CentreSpan {
  Index first;   ///< in the picture
  Index count;   ///< pixels that exist
  Index border;  ///< empty pixels before them
};

[[nodiscard]] inline CentreSpan centre_span(Index have, Index want) {
  if (have < want) { return {0, have, (want - have) / 2}; }
  Index const twice = have - want;
  Index const down = twice / 2;
  return {twice % 2 == 0 ? down : down + down % 2, want, 0};  // a half goes to the even neighbour
}

/// The taps of each wanted result of an axis.
class ResampleTaps {
 public:
  static constexpr int precision = 22;  ///< bits behind the point; 8 + 22 bits and the sign leave one bit for overshoot

  ResampleTaps(ResamplePlan const& plan, Filter filter) : first_(static_cast<std::size_t>(plan.count)), count_(first_.size()) {
    double const scale = (plan.end - plan.begin) / static_cast<double>(plan.out);
    double const stretch = std::max(scale, 1.0);
    double const support = (filter == Filter::bicubic ? 2.0 : 1.0) * stretch;
    longest_ = static_cast<Index>(std::ceil(support)) * 2 + 1;
    weights_.resize(first_.size() * static_cast<std::size_t>(longest_));
    std::vector<double> exact(static_cast<std::size_t>(longest_));
    for (Index i = 0; i < plan.count; ++i) {
      double const centre = plan.begin + (static_cast<double>(plan.first + i) + 0.5) * scale;
      Index const low = std::max<Index>(static_cast<Index>(centre - support + 0.5), 0);
      Index const high = std::min<Index>(static_cast<Index>(centre + support + 0.5), plan.in);
      first_[static_cast<std::size_t>(i)] = low;
      count_[static_cast<std::size_t>(i)] = high - low;
      double sum = 0;
      for (Index j = 0; j < high - low; ++j) {
        // Multiplied by the reciprocal, as the reference does: a quotient may differ in its last bit.
        double const weight = kernel(filter, (static_cast<double>(low + j) - centre + 0.5) * (1.0 / stretch));
        exact[static_cast<std::size_t>(j)] = weight;
        sum += weight;
      }
      for (Index j = 0; j < high - low; ++j) {
        double const weight = (sum != 0 ? exact[static_cast<std::size_t>(j)] / sum : exact[static_cast<std::size_t>(j)]) * (1 << precision);
        weights_[static_cast<std::size_t>(i * longest_ + j)] = static_cast<std::int32_t>(weight + (weight < 0 ? -0.5 : 0.5));
      }
    }
  }

  [[nodiscard]] Index size() const { return static_cast<Index>(first_.size()); }
  [[nodiscard]] Index first(Index i) const { return first_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] Index count(Index i) const { return count_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] std::int32_t const* weights(Index i) const { return weights_.data() + i * longest_; }
  /// The samples that any wanted result looks at: [begin, end).
  [[nodiscard]] Index begin() const { return first_.front(); }
  [[nodiscard]] Index end() const { return first_.back() + count_.back(); }

 private:
  static double kernel(Filter filter, double t) {
    t = std::abs(t);
    if (filter == Filter::bilinear) { return t < 1 ? 1 - t : 0; }
    constexpr double a = -0.5;
    if (t < 1) { return ((a + 2) * t - (a + 3)) * t * t + 1; }
    return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
  }

  std::vector<Index> first_;
  std::vector<Index> count_;
  std::vector<std::int32_t> weights_;
  Index longest_ = 0;
};

[[nodiscard]] inline std::uint8_t rounded_level(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> ResampleTaps::precision, 0, 255)); }

/// The part of a picture that starts at row `top` and column `left`.
[[nodiscard]] inline Image cropped(Image const& image, Index top, Index left, Index height, Index width) {
  Image part{Tensor<std::uint8_t, 3>({height, width, 3})};
  for (Index y = 0; y < height; ++y) { std::copy_n(image.pixels.data() + ((top + y) * image.width() + left) * 3, width * 3, part.pixels.data() + y * width * 3); }
  return part;
}

/// Weighted sums of rows: plain vector arithmetic along each row.
/// @param in [H, W, 3], whose row 0 is sample `origin` of the taps and of which columns [left, left + width) are used
/// @returns [taps.size(), width, 3]
[[nodiscard]] inline Image resample_rows(Image const& in, ResampleTaps const& taps, Index origin, Index left, Index width) {
  constexpr Index block = 128;
  Image out{Tensor<std::uint8_t, 3>({taps.size(), width, 3})};
  Index const stride = in.width() * 3;
  Index const length = width * 3;
  std::array<std::int32_t, block> sums;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (Index y = 0; y < taps.size(); ++y) {
    std::uint8_t const* const source = in.pixels.data() + (taps.first(y) - origin) * stride + left * 3;
    std::int32_t const* const weights = taps.weights(y);
    for (Index x = 0; x < length; x += block) {
      Index const part = std::min(block, length - x);
      sums.fill(1 << (ResampleTaps::precision - 1));
      for (Index j = 0; j < taps.count(y); ++j) {
        std::uint8_t const* const row = source + j * stride + x;
        std::int32_t const weight = weights[j];
        std::int32_t* const sum = sums.data();
        ACCRETE_SIMD
        for (Index i = 0; i < part; ++i) { sum[i] += weight * row[i]; }
      }
      std::uint8_t* const target = out.pixels.data() + y * length + x;
      for (Index i = 0; i < part; ++i) { target[i] = rounded_level(sums[static_cast<std::size_t>(i)]); }
    }
  }
  return out;
}

/// Weighted sums of columns. Sixteen rows at a time are turned on their side, so that neighbours in memory take the same weight.
/// @param in [H, W, 3], whose column 0 is sample `origin` of the taps and of which rows [top, top + height) are used
/// @returns [height, taps.size(), 3]
[[nodiscard]] inline Image resample_columns(Image const& in, ResampleTaps const& taps, Index origin, Index top, Index height) {
  constexpr Index lanes = 16;
  Image out{Tensor<std::uint8_t, 3>({height, taps.size(), 3})};
  Index const stride = taps.size() * 3;
  Index const length = (taps.end() - taps.begin()) * 3;
  std::vector<std::uint8_t> turned(static_cast<std::size_t>(length * lanes));
  std::array<std::int32_t, lanes> sums;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (Index y = 0; y < height; y += lanes) {
    Index const rows = std::min(lanes, height - y);
    for (Index r = 0; r < rows; ++r) {
      std::uint8_t const* const row = in.pixels.data() + ((top + y + r) * in.width() + taps.begin() - origin) * 3;
      for (Index i = 0; i < length; ++i) { turned[static_cast<std::size_t>(i * lanes + r)] = row[i]; }
    }
    for (Index x = 0; x < taps.size(); ++x) {
      std::int32_t const* const weights = taps.weights(x);
      for (Index channel = 0; channel < 3; ++channel) {
        std::uint8_t const* const source = turned.data() + ((taps.first(x) - taps.begin()) * 3 + channel) * lanes;
        sums.fill(1 << (ResampleTaps::precision - 1));
        for (Index j = 0; j < taps.count(x); ++j) {
          std::uint8_t const* const column = source + j * 3 * lanes;
          std::int32_t const weight = weights[j];
          std::int32_t* const sum = sums.data();
          ACCRETE_SIMD
          for (Index r = 0; r < lanes; ++r) { sum[r] += weight * column[r]; }
        }
        std::uint8_t* const target = out.pixels.data() + y * stride + x * 3 + channel;
        for (Index r = 0; r < rows; ++r) { target[r * stride] = rounded_level(sums[static_cast<std::size_t>(r)]); }
      }
    }
  }
  return out;
}

/// Both passes. Only what the wanted window looks at is computed, with the values the whole picture would have; an axis that keeps its samples is only cut.
/// @returns [rows.count, columns.count, 3]
[[nodiscard]] inline Image resample(Image const& image, ResamplePlan const& rows, ResamplePlan const& columns, Filter filter, bool vertical_first) {
  if (rows.keeps_samples() && columns.keeps_samples()) { return cropped(image, rows.first, columns.first, rows.count, columns.count); }
  if (rows.keeps_samples()) { return resample_columns(image, ResampleTaps(columns, filter), 0, rows.first, rows.count); }
  if (columns.keeps_samples()) { return resample_rows(image, ResampleTaps(rows, filter), 0, columns.first, columns.count); }
  ResampleTaps const down(rows, filter);
  ResampleTaps const along(columns, filter);
  if (vertical_first) { return resample_columns(resample_rows(image, down, 0, along.begin(), along.end() - along.begin()), along, along.begin(), 0, rows.count); }
  return resample_rows(resample_columns(image, along, 0, down.begin(), down.end() - down.begin()), down, down.begin(), 0, columns.count);
}

}  // namespace accrete::detail
