#include <accrete/head/no_projection.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/head/random_projection.hpp>
#include <accrete/head/ridge.hpp>

#include <span>

namespace {

using namespace accrete;

static_assert(ClassifierHead<PrototypeHead> && MergesStatistics<PrototypeHead> && ForgetsClasses<PrototypeHead>);
static_assert(ClassifierHead<RidgeHead<>> && MergesStatistics<RidgeHead<>> && ForgetsClasses<RidgeHead<>>);
static_assert(ClassifierHead<RidgeHead<NoProjection>>);
static_assert(PrototypeHead::statistics.forgettable && !PrototypeHead::statistics.forgets_by_features && RidgeHead<>::statistics.forgets_by_features);
static_assert(FeatureMap<RandomProjection> && FeatureMap<NoProjection> && !FeatureMap<PrototypeHead>);
static_assert(!ClassifierHead<int> && !HasHeadState<int>);

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
