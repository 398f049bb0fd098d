#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/host.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/adamw.hpp>
#include <accrete/train/groups.hpp>
#include <accrete/train/schedule.hpp>
#include <accrete/train/sgd.hpp>
#include <accrete/train/training_settings.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::test::optimizer_test {
namespace {

static_assert(Optimizer<Sgd> && Optimizer<Adam> && Optimizer<AdamW> && !Optimizer<int> && !Optimizer<ConstantRate>);
struct Forgetful : Sgd {
  void start() const;
};
static_assert(!StartsForAStore<Forgetful> && StepsParameters<Forgetful> && !Optimizer<Forgetful>);

/// The two parameters of the golden file, and a third that is frozen.
template <class T>
ParameterStore<T> golden_store(SafetensorsFile const& file) {
  ParameterStore<T> store;
  store.add({"first", {2, 3}, "trunk", -1, true, 0, 2});
  store.add({"frozen", {4}, "trunk", -1, true, 0, 0});
  store.add({"second", {5}, "head", 0, true, 0, 5});
  auto const first = file.read<float, 2>("first.start");
  auto const second = file.read<float, 1>("second.start");
  std::copy(first.begin(), first.end(), store.template view<2>("first").begin());
  std::copy(second.begin(), second.end(), store.template view<1>("second").begin());
  std::fill_n(store.template view<1>("frozen").begin(), 4, T{7});
  return store;
}

template <class T>
struct Run {
  ParameterStore<T> store;
  OptimizerState<T> state;
  Matrix<T> kept;  ///< [6, 11] weights after the steps that the golden file keeps
};

/// Fifty steps as the golden file made them, from step `first` on where a state is given.
template <class T, class O>
void follow(O const& optimizer, double base, double decay, Index first, Index last, Run<T>& run) {
  auto const file = golden("optimisers");
  auto const first_gradient = file.read<float, 3>("first.gradient");
  auto const second_gradient = file.read<float, 2>("second.gradient");
  std::vector<Index> const keeps{1, 2, 3, 10, 25, 50};
  std::vector<Index> const absent{0, 1, 7, 30};
  std::vector<ParameterGroup> const groups{{.role = "", .weight_decay = decay}};
  CosineRate const schedule{.base = base, .steps = 50, .minimum = 1e-4};
  std::vector<ParameterUpdate> updates;
  for (Index step = first; step < last; ++step) {
    ParameterStore<T> gradient = run.store;
    std::fill(gradient.values().begin(), gradient.values().end(), T{99});  // what does not learn must not be looked at
    auto const one = first_gradient.cview()[step];
    auto const two = second_gradient.cview()[step];
    std::copy(one.begin(), one.end(), gradient.template view<2>("first").begin());
    std::copy(two.begin(), two.end(), gradient.template view<1>("second").begin());
    auto received = run.store.trainable();
    if (std::find(absent.begin(), absent.end(), step) != absent.end()) { received.pop_back(); }
    plan_step(run.store, groups, schedule, step, received, updates);
    optimizer.step(HostExecutor<>{}, run.state, run.store, gradient.values(), updates);
    auto const place = std::find(keeps.begin(), keeps.end(), step + 1);
    if (place == keeps.end()) { continue; }
    auto const row = run.kept[place - keeps.begin()];
    auto const end = std::copy_n(run.store.template view<2>("first").begin(), 6, row.begin());
    std::copy_n(run.store.template view<1>("second").begin(), 5, end);
  }
}

template <class T, class O>
Run<T> started(O const& optimizer) {
  auto store = golden_store<T>(golden("optimisers"));
  auto state = optimizer.start(store);
  return {std::move(store), std::move(state), Matrix<T>::zeros({6, 11})};
}

template <class O>
void check_golden(std::string const& name, O const& optimizer, double base, double decay = 0.0) {
  CAPTURE(name);
  auto const file = golden("optimisers");
  auto wide = started<double>(optimizer);
  follow(optimizer, base, decay, 0, 50, wide);
  CHECK(relative_difference(wide.kept, file.read<double, 2>(name + ".float64")) <= tolerance<double>(Kind::trajectory));
  auto narrow = started<float>(optimizer);
  follow(optimizer, base, decay, 0, 50, narrow);
  CHECK(relative_difference(narrow.kept, file.read<float, 2>(name + ".float32")) <= tolerance<float>(Kind::trajectory));
  auto const frozen = narrow.store.template view<1>("frozen");
  CHECK(std::all_of(frozen.begin(), frozen.end(), [](float w) { return w == 7.0F; }));
}

/// One weight of one, decaying or not, and its gradient.
struct Single {
  explicit Single(bool decays = true) { store.add({"w", {1}, "head", -1, decays, 0, 1}); }
  ParameterStore<double> store;

  template <class O>
  double after(O const& optimizer, double gradient, double decay, double rate = 1.0) {
    auto state = optimizer.start(store);
    store.view<1>("w")(0) = 1.0;
    auto values = Vector<double>::zeros({store.values().size()});
    values(0) = gradient;
    std::vector<ParameterUpdate> const updates{{store.trainable()[0], rate, decay}};
    optimizer.step(HostExecutor<>{}, state, store, values, updates);
    return store.view<1>("w")(0);
  }
};

}  // namespace

TEST_CASE("fifty steps of SGD are those of torch") {
  check_golden("sgd", Sgd{.momentum = 0.0}, 0.05);
  check_golden("sgd_decay", Sgd{.momentum = 0.0}, 0.05, 0.02);
  check_golden("sgd_momentum", Sgd{}, 0.01, 5e-4);
  check_golden("sgd_dampening", Sgd{.momentum = 0.8, .dampening = 0.3}, 0.05);
  check_golden("sgd_nesterov", Sgd{.nesterov = true}, 0.01, 0.01);
}

TEST_CASE("fifty steps of Adam and AdamW are those of torch") {
  check_golden("adam", Adam{}, 1e-2);
  check_golden("adam_decay", Adam{.beta1 = 0.85, .beta2 = 0.99, .epsilon = 1e-3}, 1e-2, 0.1);
  check_golden("adam_amsgrad", Adam{.amsgrad = true}, 1e-2);
  check_golden("adamw", AdamW{}, 1e-2, 0.1);
  check_golden("adamw_amsgrad", AdamW{.amsgrad = true}, 1e-2, 0.1);
}

TEST_CASE("the specification's numbers: Adam and its largest mean square go on where the gradient is zero") {
  auto const check = [](Adam const& adam, std::vector<double> const& want) {
    ParameterStore<double> store;
    store.add({"w", {1}, "prompt", -1, true, 0, 1});
    store.view<1>("w")(0) = 1.0;
    auto state = adam.start(store);
    std::vector<double> const gradients{1.0, 0.0, 0.0, 2.0};
    for (std::size_t i = 0; i < want.size(); ++i) {
      CAPTURE(i);
      auto gradient = Vector<double>::zeros({store.values().size()});
      gradient(0) = gradients[i];
      std::vector<ParameterUpdate> const updates{{store.trainable()[0], 0.01}};
      adam.step(HostExecutor<>{}, state, store, gradient, updates);
      CHECK(std::abs(store.view<1>("w")(0) - want[i]) <= 1e-10);
    }
  };
  check(Adam{}, {0.9900000001, 0.9832994177, 0.9781198480, 0.9710253643});
  check(Adam{.beta1 = 0.9, .beta2 = 0.9, .amsgrad = true}, {0.9900000001, 0.9834707139, 0.9785503144, 0.9717832114});
}

TEST_CASE("decay is coupled in SGD and Adam, decoupled in AdamW, and spares segments that do not decay") {
  CHECK(Single().after(Sgd{}, 0.0, 0.25) == 0.75);
  CHECK(Single(false).after(Sgd{}, 0.0, 0.25) == 1.0);
  CHECK(Single().after(Adam{}, 0.0, 0.25, 0.5) == doctest::Approx(0.5));  // the decay alone is a gradient, and Adam moves by the rate whatever its size
  CHECK(Single().after(AdamW{}, 0.0, 0.25, 0.5) == doctest::Approx(0.875));
  CHECK(Single(false).after(Adam{}, 0.0, 0.25, 0.5) == 1.0);
  CHECK(Single(false).after(AdamW{}, 0.0, 0.25, 0.5) == 1.0);
}

TEST_CASE("equal gradients move a slow group by its factor: one SGD step without decay, 100 times further for the head than for the trunk") {
  ParameterStore<float> store;
  store.add({"trunk", {2}, "trunk", -1, true, 0, 2});
  store.add({"head", {2}, "head", -1, true, 0, 2});
  auto gradient = Vector<float>::zeros({store.values().size()});
  std::fill(gradient.begin(), gradient.end(), 1.0F);
  std::vector<ParameterGroup> const groups{{.role = "head"}, {.role = "trunk", .rate_factor = 0.01}};
  std::vector<ParameterUpdate> updates;
  plan_step(store, groups, ConstantRate{.base = 0.01}, 0, store.trainable(), updates);
  Sgd const optimizer;
  auto state = optimizer.start(store);
  optimizer.step(HostExecutor<>{}, state, store, gradient, updates);
  CHECK(store.view<1>("head")(0) == -0.01F);
  CHECK(store.view<1>("trunk")(1) == doctest::Approx(-1e-4).epsilon(1e-6));
}

TEST_CASE("a stage's groups: the backbone slower from the second task on, published values that move beside it by a factor of their own") {
  TrainingSettings const settings{.backbone_factor = 0.5, .later_factor = 0.2, .trunk_factor = 0.1, .head_factor = 2.0};
  auto const factors = [&](Index task) {
    auto const groups = settings.groups(task);
    return std::vector<double>{group_of(groups, "backbone").rate_factor, group_of(groups, "trunk").rate_factor, group_of(groups, "head").rate_factor, group_of(groups, "prompt").rate_factor};
  };
  CHECK(factors(0) == std::vector<double>{0.5, 0.1, 2.0, 1.0});
  CHECK(factors(1) == std::vector<double>{0.1, 0.1, 2.0, 1.0});
  CHECK(factors(7) == factors(1));
}

TEST_CASE("groups: the one that names the role, else the one without a name; a floor under the rate") {
  std::vector<ParameterGroup> groups{{.role = "", .rate_factor = 3.0}, {.role = "head", .rate_factor = 2.0, .weight_decay = 0.5, .minimum_rate = 0.1}};
  CHECK(group_of(groups, "head").rate_factor == 2.0);
  CHECK(group_of(groups, "prompt").rate_factor == 3.0);
  ParameterStore<float> store;
  store.add({"w", {1}, "head", -1, true, 0, 1});
  std::vector<ParameterUpdate> updates;
  plan_step(store, groups, LinearRate{.base = 1.0, .steps = 4}, 2, store.trainable(), updates);
  CHECK(updates[0].rate == 1.0);
  CHECK(updates[0].weight_decay == 0.5);
  plan_step(store, groups, LinearRate{.base = 1.0, .steps = 4}, 4, store.trainable(), updates);
  CHECK(updates[0].rate == 0.1);
  groups.erase(groups.begin());
  CHECK_THROWS_WITH_AS(static_cast<void>(group_of(groups, "prompt")), "ParameterGroup: no group gives a rate to parameters of role 'prompt'", ValueError);
  assign_setting(ParameterGroup::settings(), groups[0], "weight_decay", "0.25");
  CHECK(groups[0].weight_decay == 0.25);
}

TEST_CASE_TEMPLATE("a state read from a file goes on bit for bit", O, Sgd, Adam, AdamW) {
  O optimizer;
  if constexpr (!std::is_same_v<O, Sgd>) { optimizer.amsgrad = true; }
  auto whole = started<float>(optimizer);
  follow(optimizer, 0.02, 0.01, 0, 50, whole);

  auto half = started<float>(optimizer);
  follow(optimizer, 0.02, 0.01, 0, 20, half);
  TemporaryFolder const folder;
  ModelWriter const writer("test");
  half.store.write(writer.scope("parameters"));
  half.state.write(writer.scope("optimizer"));
  writer.write(folder / "model.safetensors");

  auto const reader = ModelReader::open(folder / "model.safetensors", "test");
  auto store = ParameterStore<float>::read(reader.scope("parameters"));
  auto state = read_optimizer(optimizer, reader.scope("optimizer"), store);
  CHECK(state.steps == std::vector<Index>{20, 0, 17});
  Run<float> rest{std::move(store), std::move(state), Matrix<float>::zeros({6, 11})};
  follow(optimizer, 0.02, 0.01, 20, 50, rest);
  CHECK(rest.store == whole.store);
  CHECK(rest.state.steps == whole.state.steps);
  for (std::size_t i = 0; i < optimizer.moment_count(); ++i) { CHECK(same_bits(rest.state.moments[i], whole.state.moments[i])); }

  CHECK_THROWS_AS(static_cast<void>(read_optimizer(Sgd{.momentum = 0.0}, reader.scope("optimizer"), rest.store)), ShapeError);
  rest.store.add({"new", {3}, "head"});
  CHECK_THROWS_AS(static_cast<void>(read_optimizer(optimizer, reader.scope("optimizer"), rest.store)), ShapeError);
}

TEST_CASE("steps that do not fit are refused before anything moves") {
  auto run = started<float>(Adam{});
  auto const before = run.store;
  Vector<float> gradient = Vector<float>::zeros({run.store.values().size()});
  std::fill(gradient.begin(), gradient.end(), 1.0F);
  auto const spans = run.store.trainable();
  std::vector<ParameterUpdate> updates{{spans[0], 0.1, 0.0}, {spans[1], 0.1, 0.0}};
  Adam const adam;
  CHECK_THROWS_AS(adam.step(HostExecutor<>{}, run.state, run.store, gradient.view().slice(1, 3), updates), ShapeError);
  CHECK_THROWS_AS(Sgd{}.step(HostExecutor<>{}, run.state, run.store, gradient, updates), ShapeError);
  CHECK_THROWS_AS(Adam{.beta1 = 1.0}.step(HostExecutor<>{}, run.state, run.store, gradient, updates), ValueError);
  CHECK_THROWS_AS(static_cast<void>(Sgd{.dampening = 0.1, .nesterov = true}.start(run.store)), ValueError);
  updates[1].span.count -= 1;
  CHECK_THROWS_AS(adam.step(HostExecutor<>{}, run.state, run.store, gradient, updates), ShapeError);
  updates[1] = updates[0];
  CHECK_THROWS_AS(adam.step(HostExecutor<>{}, run.state, run.store, gradient, updates), ShapeError);
  updates[1] = {{1, 16, 4}, 0.1, 0.0};  // the frozen one
  CHECK_THROWS_AS(adam.step(HostExecutor<>{}, run.state, run.store, gradient, updates), ShapeError);
  CHECK(run.store == before);
  CHECK(run.state.steps == std::vector<Index>{0, 0, 0});
}

TEST_CASE("rows that stand still keep their bits while the others of their segment learn") {
  ParameterStore<float> store;
  store.add({"pool", {4, 3}, "prompt", 0, true, 1, 2});
  for (float& w : store.values()) { w = 0.3F; }
  auto const before = store;
  Vector<float> gradient({store.values().size()});
  std::fill(gradient.begin(), gradient.end(), 0.5F);
  std::vector<ParameterUpdate> const updates{{store.trainable()[0], 0.1, 0.1}};
  AdamW const optimizer;
  auto state = optimizer.start(store);
  for (int step = 0; step < 3; ++step) { optimizer.step(HostExecutor<>{}, state, store, gradient, updates); }
  for (Index row = 0; row < 4; ++row) { CHECK(same_bits(std::as_const(store).view<2>("pool")[row], before.view<2>("pool")[row]) == (row == 0 || row == 3)); }
}

TEST_CASE_TEMPLATE("large parameters move by the same bits on any number of threads", Optimizer, Sgd, Adam, AdamW) {
  auto const moved = [](int threads) {
    ParameterStore<float> store;
    store.add({"large", {401, 977}, "head", -1, true, 0, 401});
    store.add({"small", {3}, "head", -1, true, 0, 3});
    Rng({.seed = 4}).fill_normal(0, store.values());
    Optimizer const optimizer;
    auto state = optimizer.start(store);
    for (std::uint64_t step = 0; step < 3; ++step) {
      Vector<float> gradient(store.values().shape());
      Rng({.seed = 5}).fill_normal(step * static_cast<std::uint64_t>(gradient.size()), gradient.view());
      std::vector<ParameterUpdate> updates;
      for (ParameterSpan const& span : store.trainable()) { updates.push_back({span, 0.1, 0.01}); }
      optimizer.step(HostExecutor<>{.threads = threads}, state, store, gradient, updates);
    }
    return store;
  };
  auto const alone = moved(1);
  CHECK(moved(2) == alone);
  CHECK(moved(3) == alone);
}

TEST_CASE("settings of the optimisers are set by name") {
  Sgd sgd;
  assign_setting(Sgd::settings(), sgd, "momentum", "0.5");
  assign_setting(Sgd::settings(), sgd, "nesterov", "yes");
  CHECK(sgd.momentum == 0.5);
  CHECK(sgd.nesterov);
  AdamW adam;
  assign_setting(AdamW::settings(), adam, "beta2", "0.99");
  CHECK(adam.beta2 == 0.99);
  CHECK_THROWS_AS(assign_setting(AdamW::settings(), adam, "beta1", "1"), ValueError);
}

}  // namespace accrete::test::optimizer_test
