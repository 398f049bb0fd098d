#include <accrete/io/safetensors_header.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace accrete {
namespace {

SafetensorsHeader parse(std::string_view json, std::uint64_t data_bytes) { return SafetensorsHeader::parse(json, data_bytes, "file"); }

struct Case {
  std::string json;
  std::uint64_t data_bytes;
  std::string_view reason;  ///< part of the message; empty: accepted
};

std::string nested(int levels) { return std::string(static_cast<std::size_t>(levels), '[') + std::string(static_cast<std::size_t>(levels), ']'); }

// The verdicts are those of the reference reader (safetensors 0.8), but for the marked ones and the last two, where we are stricter.
TEST_CASE("the header is accepted or refused as the format says") {
  std::string const a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  std::string const b = R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]})";
  Case const cases[] = {
      {"{}", 0, ""},
      {"  \n\t{}\r ", 0, ""},
      {"{" + a + "}", 8, ""},
      {"{" + b + "," + a + "}", 12, ""},
      {R"({"__metadata__":{"k":"v"}})", 0, ""},
      {R"({"__metadata__":{}})", 0, ""},
      {R"({"__metadata__":null,)" + a + "}", 8, ""},
      {R"({"":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1, ""},
      {R"({"a":{"dtype":"F64","shape":[3,0,2],"data_offsets":[0,0]}})", 0, ""},
      {R"({"a":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"c":{"dtype":"I8","shape":[0],"data_offsets":[1,1]}})", 1, ""},
      {R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1, ""},
      {R"({"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}})", 3, ""},
      {R"({"a":{"extra":[{"x":[1.5,null,true,-3,"s",{}]}],"dtype":"F32","more":{"shape":3},"shape":[2],"data_offsets":[0,8],"z":-1.5e3}})", 8, ""},
      {R"({"a":{"x":)" + nested(60) + R"(,"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, ""},

      {"", 0, "not valid JSON"},
      {"{", 0, "not valid JSON"},
      {"{}x", 0, "not valid JSON"},
      {std::string("{}\0", 3), 0, "not valid JSON"},
      {"\xEF\xBB\xBF{}", 0, "not valid JSON"},
      {"{\"\xFF\":1}", 0, "not valid JSON"},
      {R"({"\ud800":1})", 0, "not valid JSON"},
      {"{/**/}", 0, "not valid JSON"},
      {"{" + a + ",}", 8, "not valid JSON"},
      {"[]", 0, "not a JSON object"},
      {"null", 0, "not a JSON object"},
      {"3", 0, "not a JSON object"},
      {R"("x")", 0, "not a JSON object"},
      {R"({"a":3})", 0, "not described by an object"},
      {R"({"a":null})", 0, "not described by an object"},
      {R"({"a":["F32",[2],[0,8]]})", 8, "not described by an object"},  // the reference takes a list for an object
      {R"({"line\nbreak":3})", 0, R"("line\nbreak")"},
      {R"({"a":{}})", 0, "no dtype"},
      {R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, "no dtype"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8, "no shape"},
      {R"({"a":{"dtype":"F32","shape":[2]}})", 8, "no data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, "exactly two"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[]}})", 8, "exactly two"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", 8, "exactly two"},
      {R"({"a":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}})", 8, "unknown dtype"},
      {R"({"a":{"dtype":"F128","shape":[2],"data_offsets":[0,8]}})", 8, "unknown dtype"},
      {R"({"a":{"dtype":null,"shape":[2],"data_offsets":[0,8]}})", 8, "not a string"},
      {R"({"a":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}})", 8, "not a string"},
      {R"({"a":{"dtype":{},"shape":[2],"data_offsets":[0,8]}})", 8, "not a string"},
      {R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":{},"data_offsets":[0,8]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":"0,8"}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8.0]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-0,8]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,1e1]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,null]}})", 8, "whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"shape":[2]}})", 8, "repeats its field shape"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "repeats its field dtype"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "repeats __metadata__"},
      {R"({"__metadata__":null,"__metadata__":null})", 0, "repeats __metadata__"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "in its metadata"},  // the reference keeps the last
      {R"({"__metadata__":{"a":1}})", 0, "object of strings"},
      {R"({"__metadata__":{"a":null}})", 0, "object of strings"},
      {R"({"__metadata__":{"a":{}}})", 0, "object of strings"},
      {R"({"__metadata__":["a"]})", 0, "object of strings"},
      {R"({"__metadata__":"a"})", 0, "object of strings"},
      {"{" + a + "," + a + "}", 8, "described twice"},  // the reference keeps one
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "ends before it begins"},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "need 12"},
      {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,8]}})", 8, "need 4"},
      {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1, "number of bytes"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "below 2^64"},
      {R"({"a":{"dtype":"F64","shape":[9223372036854775807],"data_offsets":[0,0]}})", 0, "below 2^64"},
      {R"({"a":{"dtype":"F32","shape":[9223372036854775808,0],"data_offsets":[0,0]}})", 0, "63 bits"},  // the reference takes it
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, "begins at byte 4"},
      {"{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})", 16, "begins at byte 12"},
      {"{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "begins at byte 4"},
      {"{" + a + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "begins at byte 0"},
      {"{" + a + "}", 9, "take 8 bytes but the file holds 9"},
      {"{" + a + "}", 7, "truncated"},
      {"{}", 1, "take 0 bytes"},
      {R"({"a":{"x":)" + nested(70) + "}}", 0, "nests deeper"},
      {"{\"" + std::string(5000, 'n') + "\":{}}", 0, "name of 5000 bytes"},
  };
  for (Case const& one : cases) {
    CAPTURE(one.json);
    if (one.reason.empty()) {
      CHECK_NOTHROW(static_cast<void>(parse(one.json, one.data_bytes)));
      continue;
    }
    std::string said;
    try {
      static_cast<void>(parse(one.json, one.data_bytes));
    } catch (FileError const& error) { said = error.what(); }
    CAPTURE(said);
    CHECK(said.starts_with("file: "));
    CHECK(said.find(one.reason) != std::string::npos);
    CHECK(said.find('\n') == std::string::npos);
    CHECK(said.size() < 400);
  }
}

TEST_CASE("escapes in names are decoded, surrogate pairs too") {
  auto const header = parse(R"({"\u00e9\ud83d\ude00\n":{"dtype":"I16","shape":[1],"data_offsets":[0,2]}})", 2);
  REQUIRE(header.entries.size() == 1);
  CHECK(header.entries.begin()->first == "\xC3\xA9\xF0\x9F\x98\x80\n");
}

TEST_CASE("types, shapes, offsets and metadata arrive") {
  auto const header = parse(R"({"__metadata__":{"format":"pt"},"w":{"shape":[2,3],"data_offsets":[0,12],"dtype":"BF16"}})", 12);
  CHECK(header.metadata.at("format") == "pt");
  auto const& entry = header.entries.at("w");
  CHECK(entry.type == ScalarType::bf16);
  CHECK(entry.shape == std::vector<Index>{2, 3});
  CHECK(entry.begin == 0);
  CHECK(entry.end == 12);
}

TEST_CASE("every type is found by its name and no other spelling") {
  for (std::size_t i = 0; i < scalar_types.size(); ++i) { CHECK(find_scalar_type(scalar_types[i].name) == static_cast<ScalarType>(i)); }
  CHECK_FALSE(find_scalar_type("bf16").has_value());
  CHECK_FALSE(find_scalar_type("").has_value());
  CHECK(name_of(ScalarType::f8_e4m3fnuz) == "F8_E4M3FNUZ");
  CHECK(name_of(ScalarType::boolean) == "BOOL");
  CHECK(name_of(scalar_type_of<bfloat16>()) == "BF16");
  CHECK(name_of(scalar_type_of<unsigned char>()) == "U8");
  CHECK(name_of(scalar_type_of<long long>()) == "I64");
}

}  // namespace
}  // namespace accrete
