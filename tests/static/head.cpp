#include <accrete/head/cosine.hpp>
#include <accrete/head/gaussian.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/head/no_projection.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/head/random_projection.hpp>
#include <accrete/head/ridge.hpp>
#include <accrete/head/subspace.hpp>
#include <accrete/head/task_voting.hpp>

#include <span>

namespace {

using namespace accrete;

static_assert(ClassifierHead<PrototypeHead> && MergesStatistics<PrototypeHead> && ForgetsClasses<PrototypeHead>);
static_assert(ClassifierHead<RidgeHead<>> && MergesStatistics<RidgeHead<>> && ForgetsClasses<RidgeHead<>>);
static_assert(ClassifierHead<RidgeHead<NoProjection>>);
static_assert(PrototypeHead::statistics.forgettable && !PrototypeHead::statistics.forgets_by_features && RidgeHead<>::statistics.forgets_by_features);
static_assert(FeatureMap<RandomProjection> && FeatureMap<NoProjection> && !FeatureMap<PrototypeHead>);
static_assert(!ClassifierHead<int> && !HasHeadState<int>);
static_assert(ClassifierHead<GaussianHead> && MergesStatistics<GaussianHead> && ForgetsClasses<GaussianHead> && !AdmitsTasks<GaussianHead>);
static_assert(AdmitsTasks<SubspaceHead> && LearnsFromFeatures<SubspaceHead> && !AdmitsClasses<SubspaceHead>);
static_assert(LearnsByGradient<TaskVotingHead<>> && LearnsFromFeatures<TaskVotingHead<>> && !ClassifierHead<TaskVotingHead<>>);
static_assert(WantsNewClasses<TaskVotingHead<>> && !WantsNewClasses<LinearHead>);
static_assert(LearnsByGradient<LinearHead> && LearnsByGradient<CosineHead> && !LearnsByGradient<PrototypeHead> && !ClassifierHead<LinearHead>);

struct Stateless : PrototypeHead {
 private:
  using PrototypeHead::State;
};
static_assert(!HasHeadState<Stateless> && !ClassifierHead<Stateless>);

struct Unscored : PrototypeHead {
  void scores() const;
};
static_assert(HasHeadState<Unscored> && !ScoresClasses<Unscored> && !ClassifierHead<Unscored>);

struct Closed : PrototypeHead {
  void admit() const;
};
static_assert(!AdmitsClasses<Closed> && !ClassifierHead<Closed>);

struct Deaf : PrototypeHead {
  void fit() const;
};
static_assert(!LearnsFromFeatures<Deaf> && !ClassifierHead<Deaf>);

struct Volatile : PrototypeHead {
  void write() const;
};
static_assert(!StoresItsState<Volatile> && !ClassifierHead<Volatile>);

struct Fixed : LinearHead {
  void admit() const;
};
static_assert(!AdmitsTasks<Fixed> && !LearnsByGradient<Fixed>);

struct Storeless : LinearHead {
  struct State {};
};
static_assert(!HasHeadParameters<Storeless> && !LearnsByGradient<Storeless>);

struct Mute : LinearHead {
  void logits() const;
};
static_assert(!ComputesLogits<Mute> && !LearnsByGradient<Mute>);

struct OneWay : LinearHead {
  void backward() const;
};
static_assert(!BackpropagatesLogits<OneWay> && !LearnsByGradient<OneWay>);

struct Keeps : PrototypeHead {
  static constexpr StatisticsTraits statistics{.additive = true, .mergeable = true, .forgettable = false, .forgets_by_features = false};
};
static_assert(ClassifierHead<Keeps> && MergesStatistics<Keeps> && !ForgetsClasses<Keeps>);

struct Unequal : NoProjection {
  using NoProjection::NoProjection;
  void apply() const;
};
static_assert(HasMapWidths<Unequal> && !AppliesPanels<Unequal> && !FeatureMap<Unequal>);

}  // namespace
