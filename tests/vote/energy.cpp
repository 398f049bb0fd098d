#include <accrete/vote/energy.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace accrete::test::energy_test {

namespace {

using Logits = std::vector<std::vector<float>>;

std::vector<VectorView<float const>> views(Logits const& logits) {
  std::vector<VectorView<float const>> all;
  for (auto const& z : logits) { all.emplace_back(z.data(), Shape<1>{static_cast<Index>(z.size())}); }
  return all;
}

std::vector<Index> votes(std::vector<double> temperatures, Logits const& logits) { return EnergyVote{}.votes({.temperatures = std::move(temperatures), .recognised = {}}, views(logits)); }

double energy(std::vector<float> const& z, double temperature) { return EnergyVote::energy({z.data(), {static_cast<Index>(z.size())}}, temperature); }

Logits const sharp_and_flat{{3.0F, 0.0F, 0.0F}, {2.6F, 2.6F, 2.6F}};
Logits const flat_and_sharp{{2.6F, 2.6F, 2.6F}, {3.0F, 0.0F, 0.0F}};

}  // namespace

TEST_CASE("the specification's numbers: energies") {
  struct Row {
    double temperature, sharp, flat, within;
  };
  for (auto const& [temperature, sharp, flat, within] : {Row{0.001, 3000.0, 2601.0985, 0.5e-4}, Row{0.1, 30.0, 27.0986, 0.5e-4}, Row{0.5, 6.0049, 6.2986, 0.5e-4}, Row{1.0, 3.0949, 3.6986, 0.5e-4}}) {
    CAPTURE(temperature);
    CHECK(std::abs(energy(sharp_and_flat[0], temperature) - sharp) <= within);
    CHECK(std::abs(energy(sharp_and_flat[1], temperature) - flat) <= within);
  }
  CHECK(energy({1000.0F, -1000.0F}, 0.001) == 1e6);
}

TEST_CASE("the specification's numbers: votes and ties") {
  CHECK(votes({0.001, 0.1, 0.5}, sharp_and_flat) == std::vector<Index>{2, 1});
  CHECK(votes({0.001, 1.0}, sharp_and_flat) == std::vector<Index>{1, 1});
  CHECK(votes({0.001, 1.0}, flat_and_sharp) == std::vector<Index>{1, 1});
  CHECK(votes({0.001}, {{1.0F}, {1.0F}, {1.0F}}) == std::vector<Index>{1, 0, 0});  // equal energies: the smaller task
}

TEST_CASE("a temperature that was chosen more than once has one vote") {
  CHECK(votes({0.5, 0.001, 0.1, 0.5, 0.5}, sharp_and_flat) == votes({0.001, 0.1, 0.5}, sharp_and_flat));
  CHECK(votes({0.5, 0.5, 0.5, 0.001, 0.1}, sharp_and_flat) == std::vector<Index>{2, 1});
}

TEST_CASE("one task wins at every temperature") { CHECK(votes({0.001}, {{-5.0F, 2.0F}}) == std::vector<Index>{1}); }

TEST_CASE("a constant on all logits of all tasks changes nothing, one on those of a single task may flip the vote") {
  std::vector<double> const temperatures{0.001, 0.1, 0.5};
  Logits shifted = sharp_and_flat;
  for (auto& z : shifted) {
    for (float& value : z) { value -= 8.0F; }
  }
  CHECK(votes(temperatures, shifted) == votes(temperatures, sharp_and_flat));
  Logits lifted = sharp_and_flat;
  for (float& value : lifted[1]) { value += 0.5F; }
  CHECK(votes(temperatures, lifted) == std::vector<Index>{0, 3});
}

TEST_CASE("a task chooses the temperature at which most of its own samples are recognised, the smallest of equal ones") {
  EnergyVote const vote;
  EnergyVote::State state;
  vote.begin_task(state);
  vote.observe(state, views({{1.0F, 2.0F}}));
  vote.fit(state);
  CHECK(state.temperatures == std::vector<double>{0.001});

  vote.begin_task(state);
  vote.observe(state, views(sharp_and_flat));  // 0.4: 7.5011 against 7.5986, 0.3: 10.0001 against 9.7653
  vote.observe(state, views(flat_and_sharp));  // recognised up to 0.3
  vote.observe(state, views(sharp_and_flat));
  vote.fit(state);
  CHECK(state.temperatures == std::vector<double>{0.001, 0.4});
  CHECK(state.recognised == std::vector<Index>{1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2});

  vote.begin_task(state);
  vote.fit(state);  // nothing was seen
  CHECK(state.temperatures == std::vector<double>{0.001, 0.4, 0.001});
}

}  // namespace accrete::test::energy_test
