#include "support/compare.hpp"
#include "support/files.hpp"

#include <accrete/io/model_file.hpp>
#include <accrete/merge/wise.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace accrete::test::wise_test {

namespace {

Vector<float> filled(float value) {
  Vector<float> x({3});
  std::fill(x.begin(), x.end(), value);
  return x;
}

}  // namespace

TEST_CASE("a task's end is drawn back to its start, the first one's too") {
  static_assert(FoldsFirstTask<Wise<>>);
  auto kept = filled(0.1F);
  Wise<>::State state;
  Wise<>{.alpha = 0.8}.fold(state, kept.view(), filled(1.0F).cview());
  CHECK(kept(2) == doctest::Approx(0.82).epsilon(1e-6));
  CHECK(state.published == nullptr);
  auto same = filled(0.1F);
  Wise<>{.alpha = 1.0}.fold(state, same.view(), filled(0.3F).cview());
  CHECK(same_bits(same, filled(0.3F)));
  Wise<>{.alpha = 0.0}.fold(state, same.view(), filled(0.7F).cview());
  CHECK(same_bits(same, filled(0.3F)));
  CHECK_THROWS_AS((Wise<>{.alpha = 1.1}.fold(state, same.view(), filled(0.7F).cview())), ValueError);
  CHECK_THROWS_AS((Wise<>{}.fold(state, same.view(), filled(0.7F).cview().slice(0, 2))), ShapeError);
}

TEST_CASE("or to what was published, whatever the tasks between made of it") {
  TemporaryFolder const folder;
  Wise<> const rule{.alpha = 0.5, .reference = WiseReference::published};
  Wise<>::State state;
  auto kept = filled(1.0F);
  rule.fold(state, kept.view(), filled(3.0F).cview());
  CHECK(kept(0) == 2.0F);
  ModelWriter const writer("merge");
  state.write(writer);
  writer.write(folder / "state");
  auto read = Wise<>::State::read(ModelReader::open(folder / "state", "merge"));
  rule.fold(read, kept.view(), filled(5.0F).cview());
  CHECK(kept(0) == 3.0F);
}

}  // namespace accrete::test::wise_test
