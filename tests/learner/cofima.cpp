#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/method/cofima.hpp>
#include <accrete/method/slca.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace accrete::test::cofima_test {

namespace {

using Cofima = method::Cofima;
using CofimaLearner = Cofima::Learner<>;

Cofima::Settings small(double alpha) {
  auto settings = Cofima::standard();
  settings.protocol.training.epochs = 2;
  settings.protocol.training.batch = 5;
  settings.protocol.training.rate = 0.05;
  settings.protocol.training.backbone_factor = 1.0;
  settings.head.alignment.epochs = 1;
  settings.head.alignment.rows = 8;
  settings.merge.alpha = alpha;
  return settings;
}

CofimaLearner started(Cofima::Settings const& settings) { return Cofima::compose(small_vit(), settings, 5); }

CofimaLearner learned(Cofima::Settings const& settings, int threads = 2) {
  HostExecutor<> const exec{.threads = threads};
  auto learner = started(settings);
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  return learner;
}

ParameterStore<float> const& trunk(CofimaLearner const& learner) { return learner.backbone().parameters(); }

/// The Fisher information that a learner keeps: the last task's own.
Vector<float> kept_fisher(CofimaLearner const& learner) {
  TemporaryFolder const folder;
  learner.save(folder / "model");
  return ModelReader::open(folder / "model").scope("merge").tensor<float, 1>("fisher");
}

/// The same of the network and the head that the second task left, by themselves.
Vector<float> directly(CofimaLearner const& learner, Cofima::Settings const& settings) {
  HostExecutor<> const exec{.threads = 2};
  Examples const pictures = second_task();
  std::vector<Index> columns;
  for (Index i = 0; i < pictures.size(); ++i) { columns.push_back(learner.classes().at(pictures.class_names()[static_cast<std::size_t>(pictures.label(i))])); }
  auto const& network = learner.backbone();
  auto const fisher = fisher_information<FisherOf::network>(exec, network, NoPrompt{}, NoPrompt::State{}, learner.head(), learner.head_state().parameters(), pictures, columns, 1,
                                                            settings.merge.fisher, settings.seeded(5).protocol.training, {}, {});
  auto const spans = network.parameters().trainable();
  Vector<float> all({span_elements(spans)});
  gather_spans(fisher.cview(), spans, all.view());
  return all;
}

std::vector<float> flat(ParameterStore<float> const& store) {
  std::vector<float> all;
  for (ParameterSpan const& span : store.trainable()) {
    auto const part = store.view(span);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

TEST_CASE("CoFiMA: what is merged is the network before the task with what the task made of it, by the Fisher of either, taken before its merge") {
  HostExecutor<> const exec{.threads = 2};
  auto learner = started(small(0.4));
  learner.observe(exec, first_task());
  auto const before = flat(trunk(learner));
  auto const fisher_before = kept_fisher(learner);
  auto learner_of_fresh = learned(small(1.0));  // the same stage, and nothing of the old
  auto const fresh = flat(trunk(learner_of_fresh));
  learner.observe(exec, second_task());
  auto const fisher = kept_fisher(learner);
  CHECK(same_bits(fisher, kept_fisher(learner_of_fresh)));
  CHECK_FALSE(same_bits(fisher, fisher_before));
  CHECK(*std::max_element(fisher.begin(), fisher.end()) == 1e-4F);
  CHECK(same_bits(fisher, directly(learner_of_fresh, small(1.0))));

  auto const merged = flat(trunk(learner));
  REQUIRE(merged.size() == before.size());
  REQUIRE(fisher.size() == static_cast<Index>(before.size()));
  bool as_formula = true;
  bool plain = true;
  for (std::size_t i = 0; i < merged.size(); ++i) {
    double const a = 0.6 * (static_cast<double>(fisher_before(static_cast<Index>(i))) + 1e-20);
    double const b = 0.4 * (static_cast<double>(fisher(static_cast<Index>(i))) + 1e-20);
    double const want = (a * static_cast<double>(before[i]) + b * static_cast<double>(fresh[i])) / (a + b);
    as_formula = as_formula && std::abs(static_cast<double>(merged[i]) - want) <= 1e-7 * std::max(std::abs(static_cast<double>(before[i])), std::abs(static_cast<double>(fresh[i])));
    plain = plain && std::abs(static_cast<double>(merged[i]) - (0.6 * static_cast<double>(before[i]) + 0.4 * static_cast<double>(fresh[i]))) <= 1e-6 * std::abs(static_cast<double>(before[i]));
  }
  CHECK(as_formula);
  CHECK_FALSE(plain);

  // Rows of the head are those of stage 1, and moments are those of the merged network's features.
  CHECK(learner.head_state().parameters() == learner_of_fresh.head_state().parameters());
  auto unmerged_settings = method::Slca::standard();
  unmerged_settings.protocol = small(0.4).protocol;
  unmerged_settings.head = small(0.4).head;
  auto without_merge = method::Slca::compose(small_vit(), unmerged_settings, 5);
  without_merge.observe(exec, first_task());
  without_merge.observe(exec, second_task());
  CHECK(learner.head_state().parameters() == without_merge.head_state().parameters());
  CHECK(learner.head_state().is_aligned());
  Matrix<float> const features = learner.features(exec, second_task()).features;
  Matrix<float> const unmerged = learner_of_fresh.features(exec, second_task()).features;
  double mean = 0.0;
  double other = 0.0;
  for (Index i = 0; i < 5; ++i) {  // the five pictures of "dog", column 3
    mean += static_cast<double>(features(i, 0)) / 5.0;
    other += static_cast<double>(unmerged(i, 0)) / 5.0;
  }
  CHECK(learner.head_state().moments().mean(3)(0) == doctest::Approx(mean).epsilon(1e-6));
  CHECK(other != doctest::Approx(mean).epsilon(1e-6));
}

TEST_CASE("CoFiMA: equal weights are CoMA, and an alpha of none keeps the network") {
  HostExecutor<> const exec{.threads = 2};
  auto settings = small(0.5);
  settings.merge.weights = MergeWeights::equal;
  auto learner = started(settings);
  learner.observe(exec, first_task());
  auto const before = flat(trunk(learner));
  auto const fresh = flat(trunk(learned(small(1.0))));
  learner.observe(exec, second_task());
  auto const merged = flat(trunk(learner));
  bool plain = true;
  for (std::size_t i = 0; i < merged.size(); ++i) { plain = plain && merged[i] == static_cast<float>(0.5 * static_cast<double>(before[i]) + 0.5 * static_cast<double>(fresh[i])); }
  CHECK(plain);
  CHECK(flat(trunk(learned(small(0.0)))) == before);
}

TEST_CASE("CoFiMA: the same bits with any threads, from a file between tasks, and after a stop in the stage or in the Fisher pass") {
  HostExecutor<> const exec{.threads = 2};
  TemporaryFolder const folder;
  auto const settings = small(0.5);
  auto const want = learned(settings, 1);
  CHECK(trunk(learned(settings)) == trunk(want));

  auto saved = started(settings);
  saved.observe(exec, first_task());
  saved.save(folder / "model");
  auto loaded = CofimaLearner::load(folder / "model");
  auto const wanted_scores = want.predict(exec, first_task()).scores;
  for (int const stop_after : {3, 5}) {  // of four steps, and of two batches of the pass behind them
    CAPTURE(stop_after);
    int steps = 0;
    TrainingCheckpoint checkpoint{.file = folder / "training", .every_seconds = 1e9, .every_steps = 1, .stop = [&] { return ++steps == stop_after; }};
    auto learner = loaded;
    CHECK_THROWS_AS(learner.observe(exec, second_task(), {}, {.progress = {}, .checkpoint = &checkpoint}), Interrupted);
    CHECK(trunk(learner) == trunk(saved));
    checkpoint.stop = nullptr;
    learner.observe(exec, second_task(), {}, {.progress = {}, .checkpoint = &checkpoint});
    CHECK(trunk(learner) == trunk(want));
    CHECK(same_bits(learner.predict(exec, first_task()).scores, wanted_scores));
    std::filesystem::remove(folder / "training");
  }
}

TEST_CASE("CoFiMA: what was published is reachable by name") {
  CHECK(published_for(Cofima::published(), "imagenet-r").protocol.training.epochs == 50);
  CHECK(published_for(Cofima::published(), "cars").head.alignment.temperature == 0.05);
  CHECK(published_for(Cofima::published(), "pilot-cifar100").merge.alpha == 0.4);
  auto settings = Cofima::standard();
  CHECK(settings.merge.alpha == 0.5);
  CHECK(settings.merge.epsilon == 1e-20);
  CHECK(settings.merge.fisher.cap == 1e-4);
  CHECK(settings.merge.fisher.floor == 0.0);
  auto const& training = settings.protocol.training;
  CHECK(training.epochs == 20);
  CHECK(training.milestone == 18);
  CHECK(training.batch == 128);
  CHECK(training.rate == 0.01);
  CHECK(training.backbone_factor == 0.01);
  CHECK(training.weight_decay == 5e-4);
  CHECK(training.curve == RateCurve::multi_step);
  CHECK(settings.head.alignment.epochs == 5);
  CHECK(settings.head.alignment.temperature == 0.1);
  CHECK(settings.head.alignment.shrinkage == MeanShrinkage::by_task);
  CHECK(settings.head.rows == AlignedRows::scored);
  assign_setting(Cofima::Settings::settings(), settings, "fisher-squares", "of-samples");
  CHECK(settings.merge.fisher.squares == FisherSquares::of_samples);
  CHECK(CofimaLearner::composition().find("fisher<backbone>") != std::string::npos);
}

}  // namespace accrete::test::cofima_test
