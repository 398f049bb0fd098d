#include "support/compare.hpp"
#include "support/files.hpp"

#include <accrete/io/model_file.hpp>
#include <accrete/merge/ema.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace accrete::test::ema_test {

namespace {

Vector<float> numbers(float first) {
  Vector<float> x({5});
  for (Index i = 0; i < x.size(); ++i) { x(i) = first + 0.1F * static_cast<float>(i); }
  return x;
}

Vector<float> folded(double decay, bool begun) {
  auto kept = numbers(1.0F);
  Ema<>::State state{begun};
  Ema<>{.decay = decay}.fold(state, kept.view(), numbers(3.0F).cview());
  CHECK(state.begun);
  return kept;
}

}  // namespace

TEST_CASE("an average over tasks keeps the first, and a part of what was kept from then on") {
  auto const first = folded(0.75, false);
  CHECK(std::equal(first.begin(), first.end(), numbers(3.0F).begin()));
  auto const later = folded(0.75, true);
  for (Index i = 0; i < later.size(); ++i) { CHECK(later(i) == doctest::Approx(0.75 * numbers(1.0F)(i) + 0.25 * numbers(3.0F)(i)).epsilon(1e-7)); }
}

TEST_CASE("a decay of one keeps the bits, a decay of none takes the fresh ones") {
  auto const kept = folded(1.0, true);
  CHECK(std::equal(kept.begin(), kept.end(), numbers(1.0F).begin()));
  auto const fresh = folded(0.0, true);
  CHECK(std::equal(fresh.begin(), fresh.end(), numbers(3.0F).begin()));
}

TEST_CASE("an average refuses what does not fit and changes nothing then") {
  auto kept = numbers(1.0F);
  Vector<float> shorter({4});
  Ema<>::State state;
  CHECK_THROWS_AS(Ema<>{}.fold(state, kept.view(), shorter.cview()), ShapeError);
  CHECK_THROWS_AS((Ema<>{.decay = 1.5}.fold(state, kept.view(), numbers(3.0F).cview())), ValueError);
  CHECK_FALSE(state.begun);
  CHECK(std::equal(kept.begin(), kept.end(), numbers(1.0F).begin()));
}

TEST_CASE("the state of an average comes back from a file, and a rule names what it merges") {
  TemporaryFolder const folder;
  ModelWriter const writer("merge");
  Ema<>::State{true}.write(writer);
  writer.write(folder / "state");
  CHECK(Ema<>::State::read(ModelReader::open(folder / "state", "merge")).begun);
  CHECK(Ema<OfGeneralPrompt>::composition() == "ema<general-prompt>");
  CHECK(MergedPart<Ema<OfGeneralPrompt>>::takes("prompt.general"));
  CHECK_FALSE(MergedPart<Ema<OfGeneralPrompt>>::takes("prompt.pool"));
  CHECK_FALSE(MergedPart<Ema<>>::of_prompt);
}

}  // namespace accrete::test::ema_test
