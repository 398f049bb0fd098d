#include <accrete/core/hash.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <string>
#include <string_view>
#include <unordered_set>

namespace accrete {
namespace {

std::uint64_t hash_text(std::string_view text) { return hash64(std::as_bytes(std::span(text))); }

// The numbers come from tests/core/reference.py; caches on disk rely on them.
TEST_CASE("hashes are the reference's") {
  CHECK(hash_text("") == 0x4e17cf67001b3979U);
  CHECK(hash_text("a") == 0x377e32be2867d09aU);
  CHECK(hash_text("accrete!") == 0x956eaf9aeba09d87U);
  std::string counted;
  for (char c = 0; c < 100; ++c) { counted += c; }
  CHECK(hash_text(counted) == 0xe584280545858e15U);
}

TEST_CASE("a hash does not depend on where the bytes lie") {
  std::string const text = "the same twenty-one by";
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::string const moved = std::string(shift, '-') + text;
    CHECK(hash_text(std::string_view(moved).substr(shift)) == hash_text(text));
  }
}

TEST_CASE("trailing zeros, prefixes and counters never meet") {
  std::unordered_set<std::uint64_t> seen;
  std::size_t inputs = 0;
  for (std::size_t length = 0; length < 4096; ++length, ++inputs) { seen.insert(hash_text(std::string(length, '\0'))); }
  for (int i = 0; i < 300000; ++i, ++inputs) { seen.insert(hash_text("picture " + std::to_string(i))); }
  CHECK(seen.size() == inputs);
}

TEST_CASE("every bit of the input flips about half of the bits of the hash") {
  std::string const text = "thirty-two bytes of any content!";
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    int const flipped = std::popcount(hash_text(text) ^ hash_text(changed));
    CHECK(flipped > 10);
    CHECK(flipped < 54);
  }
}

}  // namespace
}  // namespace accrete
