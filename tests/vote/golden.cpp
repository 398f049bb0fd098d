#include "support/golden.hpp"

#include "support/compare.hpp"
#include "support/tolerances.hpp"

#include <accrete/train/loss/energy_anchor.hpp>
#include <accrete/vote/energy.hpp>
#include <accrete/vote/max_probability.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace accrete::test::golden_test {

namespace {

/// Logits of several models, and how PyTorch and numpy decide (tests/golden/mixtures.safetensors).
struct Votes {
  SafetensorsFile file = golden("mixtures");
  nlohmann::json config = nlohmann::json::parse(file.metadata().at("config"));
  std::vector<Matrix<float>> members = read_members();

  [[nodiscard]] std::vector<VectorView<float const>> of_sample(Index i) const {
    std::vector<VectorView<float const>> logits;
    for (auto const& member : members) { logits.push_back(member.cview()[i]); }
    return logits;
  }
  [[nodiscard]] Index samples() const { return members.front().extent(0); }

 private:
  [[nodiscard]] std::vector<Matrix<float>> read_members() const {
    std::vector<Matrix<float>> all;
    for (std::size_t k = 0; k < config["members"].size(); ++k) { all.push_back(file.read<float, 2>("vote.member." + std::to_string(k))); }
    return all;
  }
};

template <class Range>
Index first_of_largest(Range const& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

}  // namespace

TEST_CASE("golden values: the largest probability of two models") {
  Votes const given;
  std::vector<Matrix<float>> const members{given.file.read<float, 2>("vote.online"), given.file.read<float, 2>("vote.offline")};
  Matrix<float> scores(members.front().shape());
  MaxProbability{}(members, scores.view());
  CHECK(relative_difference(scores, given.file.read<double, 2>("vote.max_softmax")) <= tolerance<float>(Kind::softmax));
  auto const chosen = given.file.read<Index, 1>("vote.max_softmax.class");
  for (Index i = 0; i < scores.extent(0); ++i) { CHECK(first_of_largest(scores.view()[i]) == chosen(i)); }
}

TEST_CASE("golden values: energies, the task they choose and its class") {
  Votes const given;
  auto const candidates = given.file.read<double, 1>("vote.candidates");
  REQUIRE(std::equal(candidates.begin(), candidates.end(), EnergyVote::candidates.begin(), EnergyVote::candidates.end()));
  auto const energies = given.file.read<double, 3>("vote.energies");
  Matrix<double> at_one(Shape<2>{energies.extent(1), energies.extent(2)});
  for (Index c = 0; c < candidates.size(); ++c) {
    CAPTURE(candidates(c));
    for (Index i = 0; i < given.samples(); ++i) {
      auto const logits = given.of_sample(i);
      for (Index k = 0; k < at_one.extent(1); ++k) { at_one(i, k) = EnergyVote::energy(logits[static_cast<std::size_t>(k)], candidates(c)); }
    }
    CHECK(relative_difference(at_one, energies.cview()[c]) <= tolerance<double>(Kind::softmax));
  }

  auto const temperatures = given.file.read<double, 1>("vote.temperatures");
  EnergyVote::State const chosen{{temperatures.begin(), temperatures.end()}, {}};
  auto const tasks = given.file.read<Index, 1>("vote.energy.task");
  auto const classes = given.file.read<Index, 1>("vote.energy.class");
  for (Index i = 0; i < given.samples(); ++i) {
    CAPTURE(i);
    auto const logits = given.of_sample(i);
    auto const winner = first_of_largest(EnergyVote{}.votes(chosen, logits));
    CHECK(winner == tasks(i));
    Index first = 0;
    for (Index k = 0; k < winner; ++k) { first += given.members[static_cast<std::size_t>(k)].extent(1); }
    CHECK(first + first_of_largest(logits[static_cast<std::size_t>(winner)]) == classes(i));
  }
}

TEST_CASE("golden values: how many samples each temperature recognises, and which is chosen") {
  Votes const given;
  EnergyVote const vote;
  EnergyVote::State state;
  vote.begin_task(state);
  for (Index i = 0; i < given.samples(); ++i) { vote.observe(state, given.of_sample(i)); }
  auto const shares = given.file.read<double, 1>("vote.recognised");
  for (Index c = 0; c < shares.size(); ++c) { CHECK(static_cast<double>(state.recognised[static_cast<std::size_t>(c)]) == shares(c) * static_cast<double>(given.samples())); }
  vote.fit(state);
  CHECK(state.temperatures.back() == given.file.read<double, 1>("vote.calibrated")(0));
}

TEST_CASE("golden values: both free energies, the anchor that holds them, and its gradient") {
  Votes const given;
  auto const& member = given.members.back();
  Matrix<double> z(member.shape());
  std::copy(member.begin(), member.end(), z.begin());
  std::vector<Index> const labels(static_cast<std::size_t>(z.extent(0)), 0);
  ColumnRange const all{0, z.extent(1)};
  Matrix<double> of_entropy(z.shape());
  double const entropy = CrossEntropy{}(z.cview(), labels, all, of_entropy.view());
  for (FreeEnergy const form : {FreeEnergy::soft_min, FreeEnergy::soft_max}) {
    std::string const name = form == FreeEnergy::soft_min ? "vote.soft-min." : "vote.soft-max.";
    CAPTURE(name);
    EnergyAnchor const loss{.weight = 1.0, .level = given.config["target"], .beta = given.config["beta"], .energy = form};
    Matrix<double> d(z.shape());
    double const anchor = loss(z.cview(), labels, all, d.view()) - entropy;
    CHECK(anchor == doctest::Approx(given.file.read<double, 1>(name + "anchor")(0)).epsilon(tolerance<double>(Kind::softmax)));
    std::transform(d.begin(), d.end(), of_entropy.begin(), d.begin(), [](double both, double other) { return both - other; });
    CHECK(relative_difference(d, given.file.read<double, 2>(name + "gradient")) <= tolerance<double>(Kind::softmax));

    auto const energies = given.file.read<double, 1>(name + "energy");
    for (Index i = 0; i < z.extent(0); ++i) {  // that of a single row, from a level so far below that no root loses its sign
      EnergyAnchor const far{.weight = 1.0, .level = -100.0, .beta = given.config["beta"], .energy = form};
      auto const row = z.cview().slice(i, 1);
      Matrix<double> none({1, z.extent(1)});
      std::vector<Index> const label{0};
      double const squared = far(row, label, all, none.view()) - CrossEntropy{}(row, label, all, none.view());
      CHECK(std::abs(std::sqrt(squared) - 100.0 - energies(i)) <= 100.0 * tolerance<double>(Kind::softmax));
    }
  }
}

}  // namespace accrete::test::golden_test
