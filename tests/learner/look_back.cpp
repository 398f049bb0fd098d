#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/host.hpp>
#include <accrete/method/joint.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace accrete::test::look_back_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// Lets nothing through, and remembers what it was shown.
struct StandStill {
  static constexpr std::string_view name = "stand-still";
  static constexpr GradientConstraints needs = GradientConstraints::every_task;
  static inline std::vector<Index> rows = {};

  template <class T>
  GradientProjection project(VectorView<T> gradient, NonDeduced<MatrixView<T const>> constraints) const {
    rows.push_back(constraints.extent(0));
    CHECK(std::any_of(constraints.begin(), constraints.end(), [](T g) { return g != T{0}; }));
    std::fill(gradient.begin(), gradient.end(), T{0});
    return {.changed = true, .violated = 0, .multipliers = {}};
  }
};
static_assert(GradientPolicy<StandStill>);

/// Changes nothing, and remembers what it was shown.
struct Watch {
  static constexpr std::string_view name = "watch";
  static constexpr GradientConstraints needs = GradientConstraints::every_task;
  static inline std::vector<std::vector<float>> gradients = {};
  static inline std::vector<std::vector<float>> constraints = {};

  template <class T>
  GradientProjection project(VectorView<T> gradient, NonDeduced<MatrixView<T const>> rows) const {
    gradients.emplace_back(gradient.begin(), gradient.end());
    for (Index k = 0; k < rows.extent(0); ++k) { constraints.emplace_back(rows[k].begin(), rows[k].end()); }
    return {};
  }
};
static_assert(GradientPolicy<Watch>);

using Guard = GradientProtocol<Trains::every_task, Competing::seen, OwnHead, CrossEntropy, Sgd, StandStill>;
using Guarded = Learner<Vit<Bottleneck>, NoPrompt, LinearHead, NoMerge, Guard>;

using Watched = GradientProtocol<Trains::every_task, Competing::seen, OwnHead, CrossEntropy, Sgd, Watch>;

std::vector<float> values(ParameterStore<float> const& store) { return {store.values().begin(), store.values().end()}; }

}  // namespace

TEST_CASE("a gradient policy sees the memory of every earlier task, and what it leaves is what steps") {
  Guard protocol;
  protocol.training.epochs = 1;
  protocol.training.batch = 5;
  protocol.training.rate = 0.05;
  protocol.training.weight_decay = 0.0;
  protocol.optimizer.momentum = 0.0;
  protocol.memory.per_task = 4;
  Guarded learner(Vit<Bottleneck>(small_vit(), {.width = 4}, {.seed = 3, .purpose = Purpose::initialisation}), {}, {}, {}, protocol);
  auto const fresh = values(learner.backbone().parameters());
  StandStill::rows.clear();
  learner.observe(exec, first_task());
  CHECK(StandStill::rows.empty());  // the first task has nothing to look back to
  auto const before = values(learner.backbone().parameters());
  auto const rows_before = values(learner.head_state().parameters());
  CHECK(before != fresh);
  learner.observe(exec, second_task());
  CHECK(StandStill::rows == std::vector<Index>{1, 1});
  CHECK(values(learner.backbone().parameters()) == before);
  auto const after = values(learner.head_state().parameters());
  CHECK(std::equal(rows_before.begin(), rows_before.end(), after.begin()));
}

TEST_CASE("a constraint is the mean gradient over the whole memory of a task, one memory as the other") {
  Watched protocol;
  protocol.training.epochs = 1;
  protocol.training.batch = 9;   // half a memory
  protocol.training.rate = 0.0;  // nothing moves, so that the steps of an epoch add up to the gradient over all pictures
  protocol.training.augmentation = Augmentation::none();
  protocol.memory.per_task = 18;
  Learner<Vit<Bottleneck>, NoPrompt, LinearHead, NoMerge, Watched> learner(Vit<Bottleneck>(small_vit(), {.width = 4, .dropout = 0.0}, {.seed = 3, .purpose = Purpose::initialisation}), {}, {}, {},
                                                                           protocol);
  learner.observe(exec, first_task());
  learner.observe(exec, first_task());
  Watch::gradients.clear();
  Watch::constraints.clear();
  learner.observe(exec, first_task());
  REQUIRE(Watch::gradients.size() == 2);
  REQUIRE(Watch::constraints.size() == 4);  // both memories at each step
  auto mean = Vector<double>::zeros({static_cast<Index>(Watch::gradients[0].size())});
  for (auto const& gradient : Watch::gradients) {
    std::transform(gradient.begin(), gradient.end(), mean.begin(), mean.begin(), [](float g, double sum) { return sum + static_cast<double>(g) / 2.0; });
  }
  for (auto const& row : Watch::constraints) {
    Vector<float> constraint(mean.shape());
    std::copy(row.begin(), row.end(), constraint.begin());
    CHECK(relative_difference(constraint, mean) <= tolerance<float>(Kind::backward));
  }
}

TEST_CASE("the upper bound learns all pictures anew, and a loaded one goes on once it has them back") {
  TemporaryFolder const folder;
  auto settings = method::Joint::standard();
  settings.protocol.training.epochs = 1;
  settings.protocol.training.batch = 6;
  auto const pictures = [](std::vector<std::string> const& wanted) {
    Examples const all = striped_pictures({"ant", "bee", "cat", "dog", "elk"}, 5, 1);
    std::vector<Index> labels;
    for (std::size_t c = 0; c < all.class_names().size(); ++c) {
      if (std::find(wanted.begin(), wanted.end(), all.class_names()[c]) != wanted.end()) { labels.push_back(static_cast<Index>(c)); }
    }
    return all.of_classes(labels);
  };
  auto learner = method::Joint::compose(small_vit(), settings, 5);
  learner.observe(exec, pictures({"ant", "bee", "cat"}));
  learner.save(folder / "first");
  int steps = 0;
  learner.observe(exec, pictures({"dog", "elk"}), {}, {.progress = [&](TrainingProgress const&) { ++steps; }, .checkpoint = nullptr});
  CHECK(steps == 5);  // 25 pictures in batches of 6

  auto loaded = method::Joint::Learner<>::load(folder / "first");
  CHECK_THROWS_AS(loaded.observe(exec, pictures({"dog", "elk"})), ValueError);
  loaded.recall(pictures({"ant", "bee", "cat"}));
  CHECK_THROWS_AS(loaded.recall(pictures({"ant"})), ValueError);
  loaded.observe(exec, pictures({"dog", "elk"}));
  CHECK(same_bits(loaded.predict(exec, second_task()).scores, learner.predict(exec, second_task()).scores));
}

}  // namespace accrete::test::look_back_test
