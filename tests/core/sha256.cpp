#include <accrete/core/sha256.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace accrete {
namespace {

std::string digest(std::string_view text) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span(text)));
  return sha.hex();
}

// FIPS 180-4 examples and NIST's long message.
TEST_CASE("digests are those of the standard") {
  CHECK(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(digest(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("lengths around the end of a block are padded right") {
  CHECK(digest(std::string(55, 'x')) == "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  CHECK(digest(std::string(56, 'x')) == "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  CHECK(digest(std::string(63, 'x')) == "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
  CHECK(digest(std::string(64, 'x')) == "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
}

TEST_CASE("however the input is cut, the digest is the same") {
  std::string const text(300, 'x');
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 sha;
    sha.update(std::as_bytes(std::span(text).first(cut)));
    sha.update(std::as_bytes(std::span(text).subspan(cut)));
    CHECK(sha.hex() == digest(text));
  }
}

TEST_CASE("bytes may follow after a digest was read") {
  Sha256 sha;
  sha.update(std::as_bytes(std::span(std::string_view("ab"))));
  CHECK(sha.hex() == digest("ab"));
  sha.update(std::as_bytes(std::span(std::string_view("c"))));
  CHECK(sha.hex() == digest("abc"));
}

}  // namespace
}  // namespace accrete
