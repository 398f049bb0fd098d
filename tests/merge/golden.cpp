#include "support/golden.hpp"

#include "support/compare.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/host.hpp>
#include <accrete/merge/ema.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/merge/periodic_average.hpp>
#include <accrete/merge/pull_to_mean.hpp>
#include <accrete/merge/running_ema.hpp>
#include <accrete/merge/wise.hpp>
#include <accrete/train/fisher.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

namespace accrete::test::golden_test {

namespace {

/// Vectors and what PyTorch and rational arithmetic merge them to (tests/golden/mixtures.safetensors).
struct Mixtures {
  SafetensorsFile file = golden("mixtures");
  nlohmann::json cases = nlohmann::json::parse(file.metadata().at("config"))["merges"];
  Vector<float> offline = file.read<float, 1>("offline");
  Matrix<float> online = file.read<float, 2>("online");

  [[nodiscard]] ParameterStore<float> stored(VectorView<float const> values) const {
    ParameterStore<float> store;
    store.add({.name = "all", .shape = {values.size()}, .role = "backbone", .trainable_rows = values.size()});
    std::copy(values.begin(), values.end(), store.values().begin());
    return store;
  }
  template <class Got>
  void check(std::string const& name, Got const& got) const {
    CAPTURE(name);
    CHECK(relative_difference(got, file.read<double, 1>("merge." + name)) <= tolerance<float>(Kind::elementwise));
  }
  /// What the cap leaves of a Fisher information.
  [[nodiscard]] Vector<float> fisher(std::string const& name, nlohmann::json const& cap) const {
    auto const values = file.read<float, 1>("fisher." + name);
    FisherMean mean(values.size());
    mean.add_squares(values.cview(), 1);
    return mean.take({.cap = cap.is_null() ? std::numeric_limits<double>::max() : cap.get<double>()});
  }
};

}  // namespace

TEST_CASE("golden values: averages over tasks and over steps") {
  Mixtures const given;
  HostExecutor<> const exec{.threads = 1};
  for (auto const* const name : {"ema", "ema_slow", "ema_still", "ema_at_once", "ema_constant"}) {
    auto const& settings = given.cases[name];
    bool const rests = settings.contains("steps");
    auto const steps = rests ? settings["steps"].get<Index>() : given.online.extent(0);
    Ema<> const tasks{.decay = settings["alpha"]};
    Ema<>::State begun{true};
    Vector<float> kept = given.offline;
    RunningEma<> const running{.decay = settings["alpha"]};
    RunningEma<>::State beside;
    running.begin_task(beside, given.stored(given.offline.cview()), {.index = 1, .first_class = 1, .classes = 1});
    for (Index step = 0; step < steps; ++step) {
      auto const now = given.online.cview()[rests ? 0 : step];
      tasks.fold(begun, kept.view(), now);
      running.after_step(exec, beside, given.stored(now));
    }
    given.check(name, kept);
    given.check(name, beside.averaged().values());
  }
}

TEST_CASE("golden values: a mean of every so many steps") {
  Mixtures const given;
  HostExecutor<> const exec{.threads = 1};
  auto const samples = given.file.read<float, 2>("samples");
  auto const average = [&](auto const& rule, Index every, std::string const& name) {
    REQUIRE(given.cases[name]["interval"] == every);
    typename std::decay_t<decltype(rule)>::State state;
    rule.begin_task(state, given.stored(given.offline.cview()), {});
    for (Index i = 0; i < samples.extent(0); ++i) { rule.after_step(exec, state, given.stored(samples.cview()[i])); }
    CHECK(state.terms() == given.cases[name]["merged"].get<Index>() + 1);
    given.check(name, state.averaged().values());
  };
  average(PeriodicAverage<5>{}, 5, "periodic_mean");
  average(PeriodicAverage<100>{}, 100, "periodic_mean_once");
}

TEST_CASE("golden values: a way back to a reference") {
  Mixtures const given;
  Wise<>::State none;
  Vector<float> kept = given.offline;
  Wise<>{.alpha = given.cases["wise"]["alpha"]}.fold(none, kept.view(), given.online.cview()[0]);
  given.check("wise", kept);

  PullToMean const pull{.momentum = 1.0 - given.cases["pull"]["keep"].get<double>()};
  PullToMean::State ended;
  Vector<float> learning(given.offline.shape());
  pull.fold(ended, learning.view(), given.offline.cview());
  std::copy(given.online.cview()[0].begin(), given.online.cview()[0].end(), learning.begin());
  pull.after_step(ended, learning.view());
  given.check("pull", learning);
}

TEST_CASE("golden values: means by Fisher information, capped and not") {
  Mixtures const given;
  for (auto const* const name : {"fisher_mean", "fisher_mean_capped", "fisher_mean_half", "fisher_mean_floor", "fisher_mean_old", "fisher_mean_new"}) {
    auto const& settings = given.cases[name];
    FisherMerge<>::State one_task{1, std::make_shared<Vector<float> const>(given.fisher("previous", settings["cap"]))};
    Vector<float> kept = given.offline;
    FisherMerge<>{.alpha = settings["alpha"], .epsilon = settings["eps"]}.fold(one_task, kept.view(), given.online.cview()[0], given.fisher("current", settings["cap"]));
    given.check(name, kept);
  }
}

}  // namespace accrete::test::golden_test
