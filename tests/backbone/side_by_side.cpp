#include "support/compare.hpp"
#include "support/head_data.hpp"
#include "support/small_learners.hpp"
#include "support/tolerances.hpp"

#include <accrete/backbone/concat.hpp>
#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/host/host.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace accrete::test::side_by_side_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// A network whose feature of a picture is a part of it.
struct PartOf {
  static constexpr std::string_view name = "part";

  Index first = 0;

  [[nodiscard]] static Index width() { return 2; }
  [[nodiscard]] static Index depth() { return 1; }
  [[nodiscard]] static Index heads() { return 1; }
  [[nodiscard]] static Preprocessing preprocessing() { return {}; }
  [[nodiscard]] std::string hash() const { return message("part ", first); }
  template <class Exec>
  [[nodiscard]] Matrix<float> features(Exec const& /*exec*/, TensorView<float const, 4> images) const {
    Matrix<float> result({images.extent(0), 2});
    for (Index i = 0; i < images.extent(0); ++i) { std::copy_n(images.data() + i * 4 + first, 2, result[i].begin()); }
    return result;
  }
};

Matrix<float> features_of(BranchNorm norm, std::vector<float> const& pictures) {
  Tensor<float, 4> images({static_cast<Index>(pictures.size()) / 4, 1, 1, 4});
  std::copy(pictures.begin(), pictures.end(), images.begin());
  return Concat<PartOf, PartOf>({.first = 0}, {.first = 2}, {.norm = norm}).features(exec, images.cview());
}

}  // namespace

TEST_CASE("of two features side by side the longer one decides, unless each is divided by its length") {
  for (BranchNorm const norm : {BranchNorm::none, BranchNorm::unit}) {
    auto const query = features_of(norm, {1, 0, 0, 3});
    PrototypeHead::State state;
    teach(exec, PrototypeHead{}, state, {features_of(norm, {1, 0, 3, 0, 0, 1, 0, 3}), {0, 1}}, 2);
    Matrix<float> scores({1, 2});
    PrototypeHead{}.scores(exec, state, query.view(), scores.view());
    bool const plain = norm == BranchNorm::none;
    if (plain) { CHECK(std::vector<float>(query.begin(), query.end()) == std::vector<float>{1, 0, 0, 3}); }  // the first network's in front
    CHECK(scores(0, 0) == doctest::Approx(plain ? 0.1 : 0.5).epsilon(tolerance<float>(Kind::elementwise)));
    CHECK(scores(0, 1) == doctest::Approx(plain ? 0.9 : 0.5).epsilon(tolerance<float>(Kind::elementwise)));
  }
}

TEST_CASE("the adapter of a new task begins anew whatever the last one learned, and computes what the published network computes") {
  Vit<> const trunk = small_vit();
  Tensor<float, 4> images({3, 3, 32, 32});
  Rng(RngKey{.seed = 2, .purpose = Purpose::initialisation}).fill_normal(0, VectorView<float>(images.data(), {images.size()}));
  auto const published = trunk.features(exec, images.cview());
  for (BankStart const start : {BankStart::fresh, BankStart::previous}) {
    TuningBank<Vit<Bottleneck>> bank(trunk, {.width = 4}, 5, start);
    bank.begin_task({.index = 0, .first_class = 0, .classes = 3});
    ParameterStore<float> learned = bank.tuned().parameters();
    for (float& value : learned.values()) { value += 0.1F; }
    bank.tuned().assign(learned);
    bank.begin_task({.index = 1, .first_class = 3, .classes = 2});
    bool const anew = start == BankStart::fresh;
    CHECK((bank.networks()[1].parameters() == learned) == !anew);
    auto const both = bank.features(exec, images.cview());
    for (Index i = 0; i < both.extent(0); ++i) {
      CHECK(!same_bits(both.cview()[i].slice(0, trunk.width()), published.cview()[i]));
      CHECK(same_bits(both.cview()[i].slice(trunk.width(), trunk.width()), published.cview()[i]) == anew);
    }
  }
}

}  // namespace accrete::test::side_by_side_test
