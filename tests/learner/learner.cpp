#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/head/ridge.hpp>
#include <accrete/host/host.hpp>
#include <accrete/learner.hpp>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace accrete::test::learner_test {

namespace {

using Nearest = Learner<Vit<>, NoPrompt, PrototypeHead>;
using Ridge = Learner<Vit<>, NoPrompt, RidgeHead<RandomProjection>>;

HostExecutor<> const exec{.threads = 2};

Vit<> small_vit() { return Vit<>::load(golden_path("vit/plain.weights.safetensors"), {.heads = 3, .image_height = 32}); }

/// Features around one centre per class, and the class of each.
struct Samples {
  Matrix<float> features;
  std::vector<std::string> labels;
};

Samples samples(std::vector<std::string> const& classes, Index per_class, std::uint64_t seed, Index width) {
  Samples made{Matrix<float>({static_cast<Index>(classes.size()) * per_class, width}), {}};
  Index row = 0;
  for (std::string const& name : classes) {
    Rng const centre({.seed = static_cast<std::uint64_t>(name.front()) * 7, .purpose = Purpose::initialisation});
    for (Index i = 0; i < per_class; ++i, ++row) {
      Rng const noise({.seed = seed, .purpose = Purpose::augmentation, .object = static_cast<std::uint64_t>(row) * 131 + static_cast<std::uint64_t>(name.front())});
      for (Index d = 0; d < width; ++d) { made.features(row, d) = centre.normal(static_cast<std::uint64_t>(d)) + 0.3F * noise.normal(static_cast<std::uint64_t>(d)); }
      made.labels.push_back(name);
    }
  }
  return made;
}

template <class Method>
Method started() {
  if constexpr (std::is_same_v<Method, Ridge>) {
    return Ridge(small_vit(), {}, {.projection = 200, .ridge = 10.0});
  } else {
    return Nearest(small_vit());
  }
}

}  // namespace

TEST_CASE_TEMPLATE("a learner tells the classes it has seen, whatever tasks they came in", Method, Nearest, Ridge) {
  Method learner = started<Method>();
  Index const width = learner.backbone().width();
  Samples const first = samples({"ant", "bee"}, 12, 1, width);
  Samples const second = samples({"cat"}, 1, 2, width);
  CHECK(learner.observe(exec, first.features, first.labels).task == TaskInfo{0, 0, 2});
  CHECK(learner.observe(exec, second.features, second.labels).task == TaskInfo{1, 2, 1});
  CHECK(learner.observe(exec, first.features, first.labels).task == TaskInfo{2, 3, 0});
  CHECK(learner.classes().names() == std::vector<std::string>{"ant", "bee", "cat"});

  Samples const test = samples({"cat", "ant", "bee"}, 20, 9, width);
  Matrix<float> const scores = learner.predict_features(exec, test.features);
  Ranking const ranking = rank(exec, scores, 1);
  Index right = 0;
  for (std::size_t i = 0; i < test.labels.size(); ++i) { right += learner.classes().name(ranking.columns(static_cast<Index>(i), 0)) == test.labels[i] ? 1 : 0; }
  CHECK(right >= 58);
  CHECK(rank(exec, scores, 5).columns.extent(1) == 3);
}

TEST_CASE_TEMPLATE("what was refused changed nothing", Method, Nearest, Ridge) {
  Method learner = started<Method>();
  Index const width = learner.backbone().width();
  CHECK_THROWS_AS(static_cast<void>(learner.predict_features(exec, Matrix<float>::zeros({1, width}))), ValueError);
  Samples const good = samples({"ant", "bee"}, 6, 1, width);
  learner.observe(exec, good.features, good.labels);
  Matrix<float> const before = learner.predict_features(exec, good.features);

  Samples nan = samples({"cow"}, 3, 1, width);
  nan.features(2, 0) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(learner.observe(exec, nan.features, nan.labels), ValueError);
  CHECK_THROWS_AS(learner.observe(exec, good.features, std::vector<std::string>{"one"}), ShapeError);
  CHECK_THROWS_AS(learner.observe(exec, Matrix<float>({0, width}), {}), ValueError);
  CHECK_THROWS_AS(learner.observe(exec, Matrix<float>::zeros({1, width + 1}), std::vector<std::string>{"x"}), ShapeError);
  CHECK_THROWS_AS(learner.forget(exec, "cow", good.features), ValueError);
  CHECK_THROWS_AS(static_cast<void>(learner.evaluate(exec, Examples())), ValueError);
  CHECK(learner.classes().size() == 2);
  CHECK(same_bits(learner.predict_features(exec, good.features), before));
}

TEST_CASE_TEMPLATE("a model file brings everything back, and is refused by another type or backbone", Method, Nearest, Ridge) {
  TemporaryFolder const folder;
  Method learner = started<Method>();
  Samples const task = samples({"ant", "bee", "cat"}, 9, 1, learner.backbone().width());
  learner.observe(exec, task.features, task.labels);
  learner.save(folder / "model");

  Method loaded = Method::load(folder / "model");
  CHECK(loaded.classes() == learner.classes());
  CHECK(loaded.tasks_seen() == 1);
  CHECK(same_bits(loaded.predict_features(exec, task.features), learner.predict_features(exec, task.features)));
  Samples const more = samples({"dog", "ant"}, 4, 5, learner.backbone().width());
  loaded.observe(exec, more.features, more.labels);
  learner.observe(exec, more.features, more.labels);
  CHECK(same_bits(loaded.predict_features(exec, task.features), learner.predict_features(exec, task.features)));

  using Other = std::conditional_t<std::is_same_v<Method, Ridge>, Nearest, Ridge>;
  CHECK_THROWS_AS(static_cast<void>(Other::load(folder / "model", small_vit())), FileError);
  Vit<> const other_heads = Vit<>::load(golden_path("vit/plain.weights.safetensors"), {.heads = 6, .image_height = 32});
  CHECK_THROWS_AS(static_cast<void>(Method::load(folder / "model", other_heads)), FileError);
  std::string const whole = read_file(folder / "model");
  write_file(folder / "cut", whole.substr(0, whole.size() / 2));
  CHECK_THROWS_AS(static_cast<void>(Method::load(folder / "cut")), FileError);
}

TEST_CASE_TEMPLATE("shards merge to what one run learns, classes uniting by name", Method, Nearest, Ridge) {
  Index const width = small_vit().width();
  Samples const a = samples({"ant", "bee"}, 8, 1, width);
  Samples const b = samples({"cat", "ant"}, 5, 2, width);
  Samples const c = samples({"bee", "dog"}, 3, 3, width);
  auto const learned = [&](std::vector<Samples const*> const& parts) {
    Method learner = started<Method>();
    for (Samples const* const part : parts) { learner.observe(exec, part->features, part->labels); }
    return learner;
  };
  Method const whole = learned({&a, &b, &c});
  Method merged = learned({&a});
  merged.merge(exec, learned({&b}));
  merged.merge(exec, learned({&c}));
  REQUIRE(merged.classes().names() == whole.classes().names());
  Matrix<float> const wanted = whole.predict_features(exec, a.features);
  CHECK(relative_difference(merged.predict_features(exec, a.features), wanted) < 1e-6);
  if constexpr (std::is_same_v<Method, Nearest>) { CHECK(same_bits(merged.predict_features(exec, a.features), wanted)); }

  Method back = learned({&c});
  back.merge(exec, learned({&b}));
  back.merge(exec, learned({&a}));
  Matrix<float> const scores = back.predict_features(exec, a.features);
  for (Index column = 0; column < 4; ++column) {
    Index const there = back.classes().at(whole.classes().name(column));
    for (Index row = 0; row < scores.extent(0); ++row) { CHECK(scores(row, there) == doctest::Approx(wanted(row, column)).epsilon(1e-5)); }
  }
}

TEST_CASE_TEMPLATE("a forgotten class leaves no trace", Method, Nearest, Ridge) {
  Method learner = started<Method>();
  Index const width = learner.backbone().width();
  Samples const kept = samples({"ant", "bee"}, 8, 1, width);
  Samples const gone = samples({"cat"}, 7, 2, width);
  learner.observe(exec, kept.features, kept.labels);
  Method const before = learner;
  learner.observe(exec, gone.features, gone.labels);
  learner.forget(exec, "cat", gone.features);
  CHECK(learner.classes() == before.classes());
  Matrix<float> const wanted = before.predict_features(exec, kept.features);
  CHECK(relative_difference(learner.predict_features(exec, kept.features), wanted) < 1e-6);
  if constexpr (std::is_same_v<Method, Nearest>) { CHECK(same_bits(learner.predict_features(exec, kept.features), wanted)); }
}

TEST_CASE("a save that is killed at any moment leaves a readable model") {
  TemporaryFolder const folder;
  auto const path = folder / "model";
  Ridge learner(small_vit(), {}, {.projection = 600, .ridge = 10.0});
  Samples const task = samples({"ant", "bee"}, 4, 1, learner.backbone().width());
  learner.observe(exec, task.features, task.labels);
  learner.save(path);
  Rng const moments({.seed = 3, .purpose = Purpose::shuffle});
  for (std::uint64_t attempt = 0; attempt < 200; ++attempt) {
    pid_t const child = fork();
    if (child == 0) {
      while (true) { learner.save(path); }
    }
    usleep(static_cast<useconds_t>(moments.uniform(attempt) * 20000.0));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    REQUIRE_NOTHROW(static_cast<void>(Ridge::load(path)));
  }
}

}  // namespace accrete::test::learner_test
