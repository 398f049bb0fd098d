#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace accrete {

/// A 64-bit name for the bytes of a sample. Not a defence against an adversary; equal on every machine and in every release, since caches on disk use it.
/// Eight bytes at a time are folded in by steps that are bijections of the state and of the input, so two inputs of one length that differ
/// in a single group of eight bytes never meet. 64 bits: among a billion samples two share a name with probability 0.03.
[[nodiscard]] inline std::uint64_t hash64(std::span<std::byte const> bytes) {
  static_assert(std::endian::native == std::endian::little, "the groups of eight bytes are read in little-endian order");
  constexpr std::uint64_t odd_input = 0xA0761D6478BD642FU;
  constexpr std::uint64_t odd_state = 0xD6E8FEB86659FD93U;
  std::uint64_t state = 0x9E3779B97F4A7C15U ^ bytes.size();
  auto const fold = [&](std::uint64_t group) {
    group *= odd_input;
    state = std::rotl(state ^ (group ^ group >> 32U), 29) * odd_state;
  };
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t group = 0;
    std::memcpy(&group, bytes.data(), 8);
    fold(group);
  }
  if (!bytes.empty()) {
    std::uint64_t group = 0;
    std::memcpy(&group, bytes.data(), bytes.size());
    fold(group);
  }
  // Every bit of the state reaches every bit of the result.
  for (int round = 0; round < 2; ++round) { state = (state ^ state >> 32U) * odd_state; }
  return state ^ state >> 32U;
}

}  // namespace accrete
