#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace accrete {

/// The fingerprint that names a weights file.
/// @source FIPS 180-4, "Secure Hash Standard", sections 4.1.2, 4.2.2, 5 and 6.2
class Sha256 {
 public:
  /// Appends bytes; any cutting of the input gives the same digest.
  void update(std::span<std::byte const> bytes) {
    length_ += bytes.size();
    if (filled_ > 0) {
      std::size_t const taken = std::min(bytes.size(), pending_.size() - filled_);
      std::copy_n(bytes.begin(), taken, pending_.begin() + static_cast<std::ptrdiff_t>(filled_));
      filled_ += taken;
      bytes = bytes.subspan(taken);
      if (filled_ < pending_.size()) { return; }
      absorb(pending_.data());
    }
    for (; bytes.size() >= pending_.size(); bytes = bytes.subspan(pending_.size())) { absorb(bytes.data()); }
    std::copy(bytes.begin(), bytes.end(), pending_.begin());
    filled_ = bytes.size();
  }

  /// The digest of all bytes so far as 64 hexadecimal digits; more may be appended afterwards.
  [[nodiscard]] std::string hex() const {
    Sha256 last = *this;
    std::array<std::byte, 72> padding{std::byte{0x80}};
    std::size_t const zeros = (filled_ < 56 ? 56 : 120) - filled_;
    std::uint64_t const bits = length_ * 8;
    for (std::size_t i = 0; i < 8; ++i) { padding[zeros + i] = static_cast<std::byte>(bits >> (56 - 8 * i)); }
    last.update(std::span(padding).first(zeros + 8));
    std::string text;
    for (std::uint32_t const word : last.state_) {
      for (int shift = 28; shift >= 0; shift -= 4) { text += "0123456789abcdef"[(word >> shift) & 0xFU]; }
    }
    return text;
  }

 private:
  static constexpr std::array<std::uint32_t, 64> constants{
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

  void absorb(std::byte const* block) {
    std::array<std::uint32_t, 64> w;  // NOLINT(cppcoreguidelines-pro-type-member-init): all of it is written below
    auto const byte = [block](std::size_t i) { return std::to_integer<std::uint32_t>(block[i]); };
    // Written out in one expression, so that compilers see a load and a byte swap.
    for (std::size_t i = 0; i < 16; ++i) { w[i] = byte(4 * i) << 24U | byte(4 * i + 1) << 16U | byte(4 * i + 2) << 8U | byte(4 * i + 3); }
    for (std::size_t i = 16; i < 64; ++i) {
      std::uint32_t const near = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10U;
      std::uint32_t const far = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3U;
      w[i] = w[i - 16] + far + w[i - 7] + near;
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (std::size_t i = 0; i < 64; ++i) {
      std::uint32_t const choice = g ^ (e & (f ^ g));
      std::uint32_t const majority = (a & b) | (c & (a | b));
      std::uint32_t const first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choice + constants[i] + w[i];
      std::uint32_t const second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority;
      h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    std::array<std::uint32_t, 8> const added{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i) { state_[i] += added[i]; }
  }

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> pending_{};
  std::size_t filled_ = 0;
  std::uint64_t length_ = 0;
};

}  // namespace accrete
