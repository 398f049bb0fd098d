#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/method/ease.hpp>
#include <accrete/method/slca.hpp>
#include <accrete/method/slca_plus_plus.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace accrete::test::task_heads_test {

namespace {

HostExecutor<> const exec{.threads = 2};

template <class Method>
auto small(Index epochs) {
  auto settings = Method::standard();
  settings.protocol.training.epochs = epochs;
  settings.protocol.training.batch = 5;
  settings.protocol.training.milestone = 1;
  if constexpr (std::is_same_v<Method, method::Ease>) { settings.tuning.width = 4; }
  if constexpr (!std::is_same_v<Method, method::Ease>) {
    settings.head.alignment.epochs = 1;
    settings.head.alignment.rows = 8;
  }
  return Method::compose(small_vit(), settings, 5);
}

std::vector<float> values(ParameterStore<float> const& store) { return {store.values().begin(), store.values().end()}; }

}  // namespace

TEST_CASE("EASE: adapters and real means of old tasks keep their bits, a fresh adapter changes nothing") {
  TemporaryFolder const folder;
  auto learner = small<method::Ease>(1);
  CHECK(learner.observe(exec, first_task()).feature_change.value() > 1e-6);
  auto const adapter = values(learner.backbone().networks()[0].parameters());
  Matrix<double> const before = learner.head_state().prototypes();
  Matrix<float> const features = learner.features(exec, second_task()).features;
  learner.observe(exec, second_task());
  Index const width = small_vit().width();
  REQUIRE(learner.backbone().width() == 2 * width);
  CHECK(values(learner.backbone().networks()[0].parameters()) == adapter);
  CHECK(values(learner.backbone().networks()[1].parameters()) != adapter);
  Matrix<double> const after = learner.head_state().prototypes();
  Matrix<float> const both = learner.features(exec, second_task()).features;
  bool same = true;
  for (Index c = 0; c < 3; ++c) { same = same && same_bits(after.view()[c].slice(0, width), before.view()[c]); }
  for (Index i = 0; i < features.extent(0); ++i) { same = same && same_bits(both.view()[i].slice(0, width), features.view()[i]); }
  CHECK(same);

  learner.save(folder / "model");
  auto loaded = method::Ease::Learner<>::load(folder / "model");
  CHECK(same_bits(loaded.predict(exec, first_task()).scores, learner.predict(exec, first_task()).scores));
  Examples const third = striped_pictures({"fox"}, 4, 3);
  learner.observe(exec, third);
  loaded.observe(exec, third);
  CHECK(same_bits(loaded.predict(exec, first_task()).scores, learner.predict(exec, first_task()).scores));

  auto idle = small<method::Ease>(0);
  CHECK(idle.observe(exec, first_task()).feature_change.value() == 0.0);
}

TEST_CASE("SLCA: an alignment scores but is not learned on, and moments of old classes keep their bits") {
  TemporaryFolder const folder;
  auto learner = small<method::Slca>(1);
  learner.observe(exec, first_task());
  CHECK(!learner.head_state().is_aligned());
  auto const block = [&] {
    auto const rows = learner.head_state().parameters().template view<2>(HeadBlock::weight_name(0));
    return std::vector<float>(rows.begin(), rows.end());
  };
  auto const mean = [&](Index column) {
    auto const of_class = learner.head_state().moments().mean(column);
    return std::vector<double>(of_class.begin(), of_class.end());
  };
  auto const rows = block();
  auto const first_mean = mean(1);
  learner.observe(exec, second_task());
  CHECK(learner.head_state().is_aligned());
  CHECK(block() == rows);
  CHECK(mean(1) == first_mean);
  auto const scoring = learner.head_state().scoring().template view<2>(HeadBlock::weight_name(0));
  CHECK(std::vector<float>(scoring.begin(), scoring.end()) != rows);

  learner.save(folder / "model");
  auto loaded = method::Slca::Learner<>::load(folder / "model");
  Examples const third = striped_pictures({"fox"}, 4, 3);
  learner.observe(exec, third);
  loaded.observe(exec, third);
  CHECK(same_bits(loaded.predict(exec, first_task()).scores, learner.predict(exec, first_task()).scores));
}

TEST_CASE("SLCA++: low-rank parts, norms and biases learn, nothing else does, and a model file says which") {
  TemporaryFolder const folder;
  auto learner = small<method::SlcaPlusPlus>(1);
  auto const published = small_vit();
  CHECK(learner.observe(exec, first_task()).feature_change.value() > 1e-6);
  bool low_rank = false;
  auto const parameters = learner.backbone().parameters();
  for (auto const& segment : parameters.segments()) {
    bool const part = segment.name.find(".lora.") != std::string::npos;
    low_rank = low_rank || part;
    CHECK(segment.role == (part ? "backbone" : "trunk"));
    CHECK((part || segment.name.find("norm") != std::string::npos || segment.name.find(".bias") != std::string::npos || segment.name == "cls_token"));
  }
  CHECK(low_rank);
  learner.observe(exec, second_task());
  CHECK(learner.head_state().is_aligned());

  learner.save(folder / "model");
  auto loaded = method::SlcaPlusPlus::Learner<>::load(folder / "model");
  CHECK(values(loaded.backbone().parameters()) == values(learner.backbone().parameters()));
  Examples const third = striped_pictures({"fox"}, 4, 3);
  learner.observe(exec, third);
  loaded.observe(exec, third);
  CHECK(same_bits(loaded.predict(exec, first_task()).scores, learner.predict(exec, first_task()).scores));
}

}  // namespace accrete::test::task_heads_test
