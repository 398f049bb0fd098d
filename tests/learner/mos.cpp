#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/method/mos.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace accrete::test::mos_test {

namespace {

HostExecutor<> const exec{.threads = 2};

method::Mos::Settings small(Index epochs, Index alignment_epochs = 1) {
  auto settings = method::Mos::standard();
  settings.tuning.width = 4;
  settings.protocol.training.epochs = epochs;
  settings.protocol.training.batch = 5;
  settings.head.head.alignment.epochs = alignment_epochs;
  settings.head.head.alignment.rows = 8;
  return settings;
}

auto learner_of(method::Mos::Settings const& settings) { return method::Mos::compose(small_vit(), settings, 5); }

using Mos = method::Mos::Learner<>;

std::vector<float> adapter(Mos const& learner, std::size_t task) {
  auto const parameters = learner.backbone().networks()[task].parameters();
  return {parameters.values().begin(), parameters.values().end()};
}

std::vector<float> rows(Mos const& learner, Index task) {
  auto const block = learner.head_state().parameters().view<2>(HeadBlock::weight_name(task));
  return {block.begin(), block.end()};
}

}  // namespace

TEST_CASE("MOS: an adapter begins where the last one ended, and pulls hold it there") {
  auto resting = learner_of(small(0));
  resting.observe(exec, first_task());
  resting.observe(exec, second_task());
  CHECK(adapter(resting, 1) == adapter(resting, 0));

  auto settings = small(1);
  settings.merge.momentum = 1.0;  // the mean of what came before is adapter 0 itself
  auto held = learner_of(settings);
  held.observe(exec, first_task());
  held.observe(exec, second_task());
  CHECK(adapter(held, 1) == adapter(held, 0));

  settings.merge.momentum = 0.0;
  auto loose = learner_of(settings);
  loose.observe(exec, first_task());
  CHECK(adapter(loose, 0) == adapter(held, 0));
  loose.observe(exec, second_task());
  CHECK(adapter(loose, 1) != adapter(loose, 0));
}

TEST_CASE("MOS: adapters and router means of old tasks keep their bits, rows of old classes change in the alignment alone") {
  for (Index const alignment_epochs : {Index{0}, Index{2}}) {
    auto learner = learner_of(small(1, alignment_epochs));
    learner.observe(exec, first_task());
    auto const old_adapter = adapter(learner, 0);
    auto const old_rows = rows(learner, 0);
    auto const old_means = learner.head_state().router().prototypes();
    learner.observe(exec, second_task());
    CHECK(adapter(learner, 0) == old_adapter);
    CHECK((rows(learner, 0) == old_rows) == (alignment_epochs == 0));
    CHECK(same_bits(learner.head_state().router().prototypes().view().slice(0, 3), old_means));
  }
}

TEST_CASE("MOS: features are pushed apart from each other, and from the means of earlier classes where there are any") {
  auto const learned = [](Index batch, double weight) {
    auto settings = small(1);
    settings.protocol.training.batch = batch;
    settings.protocol.loss.apart.weight = weight;
    auto learner = learner_of(settings);
    learner.observe(exec, first_task());
    learner.observe(exec, second_task());
    return learner;
  };
  CHECK(adapter(learned(5, 0.1), 0) != adapter(learned(5, 0.0), 0));
  auto const pushed = learned(1, 0.1);  // nothing to be pushed away from in the first task
  auto const free = learned(1, 0.0);
  CHECK(adapter(pushed, 0) == adapter(free, 0));
  CHECK(adapter(pushed, 1) != adapter(free, 1));
}

TEST_CASE("MOS: the router compares features of adapter 0, moments of a class are those under its own adapter") {
  auto learner = learner_of(small(2));
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  Index const width = small_vit().width();
  Matrix<float> const features = learner.features(exec, second_task()).features;
  double router = 0.0;
  double own = 0.0;
  for (Index i = 0; i < 5; ++i) {  // the five pictures of "dog", column 3
    router += static_cast<double>(features(i, 0)) / 5.0;
    own += static_cast<double>(features(i, width)) / 5.0;
  }
  CHECK(static_cast<double>(learner.head_state().router().prototypes()(3, 0)) == doctest::Approx(router).epsilon(1e-6));
  CHECK(learner.head_state().experts().moments().mean(3)(0) == doctest::Approx(own).epsilon(1e-6));
  CHECK(router != doctest::Approx(own).epsilon(1e-6));
}

TEST_CASE("MOS: asking for features where they are needed gives the same scores, and asking twice changes nothing") {
  TemporaryFolder const folder;
  auto settings = small(4, 40);  // so much alignment that answers stay with the later adapter
  settings.head.head.alignment.rate = 0.5;
  settings.protocol.training.rate = 1.0;  // and adapters that differ enough for the scores to show it
  auto learner = learner_of(settings);
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  for (Examples const& pictures : {first_task(), second_task()}) {  // of the second, some ask for its adapter
    auto const scores = learner.predict(exec, pictures).scores;
    CHECK(same_bits(learner.predict(exec, pictures).scores, scores));
    CHECK(same_bits(learner.predict_features(exec, learner.features(exec, pictures).features.view()), scores));
  }
  auto const asked = learner.predict(exec, first_task()).scores;

  learner.save(folder / "model");
  auto loaded = Mos::load(folder / "model");
  CHECK(same_bits(loaded.predict(exec, first_task()).scores, asked));
  Examples const third = striped_pictures({"fox"}, 4, 3);
  learner.observe(exec, third);
  loaded.observe(exec, third);
  CHECK(adapter(loaded, 2) == adapter(learner, 2));
  CHECK(same_bits(loaded.predict(exec, first_task()).scores, learner.predict(exec, first_task()).scores));
}

}  // namespace accrete::test::mos_test
