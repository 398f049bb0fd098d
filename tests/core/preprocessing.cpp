#include <accrete/core/preprocessing.hpp>

#include <doctest/doctest.h>

#include <cmath>

namespace accrete {
namespace {

TEST_CASE("the text of a preprocessing reads back to the same bits") {
  Preprocessing clip;
  clip.height = 336;
  clip.width = 224;
  clip.resize_shorter = 248;
  clip.filter = Filter::bilinear;
  clip.centre_crop = false;
  clip.mean = {0.48145466F, 0.4578275F, 0.40821073F};
  clip.deviation = {0.26862954F, 0.26130258F, 0.27577711F};
  CHECK(Preprocessing::parse(clip.text()) == clip);
  CHECK(Preprocessing::parse(Preprocessing{}.text()) == Preprocessing{});
  CHECK(Preprocessing{}.text() == "height=224 width=224 resize_shorter=0 filter=bicubic centre_crop=1 mean=0.5,0.5,0.5 deviation=0.5,0.5,0.5");
}

TEST_CASE("settings that differ have texts that differ") {
  Preprocessing other;
  other.mean[2] = std::nextafter(0.5F, 1.0F);
  CHECK(other.text() != Preprocessing{}.text());
}

TEST_CASE("what is not named keeps its default") {
  Preprocessing const read = Preprocessing::parse("width=32 height=32");
  CHECK(read.width == 32);
  CHECK(read.filter == Filter::bicubic);
}

TEST_CASE("a field or value that cannot be is refused") {
  for (char const* const text :
       {"colour=1", "width", "width=", "width=0", "width=-1", "width=99999999", "filter=nearest", "mean=1,2", "mean=1,2,3,4", "mean=1,2,x", "deviation=0,1,1", "mean=nan,0,0", "centre_crop=2", "=1"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(static_cast<void>(Preprocessing::parse(text)), ValueError);
  }
}

}  // namespace
}  // namespace accrete
