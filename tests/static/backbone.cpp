#include <accrete/backbone/concept.hpp>
#include <accrete/backbone/hook.hpp>
#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/backbone/vit.hpp>
#include <accrete/train/tuned_part.hpp>
#include <accrete/tuning/bottleneck.hpp>
#include <accrete/tuning/class_attention.hpp>
#include <accrete/tuning/frozen.hpp>

#include <type_traits>

namespace {

using namespace accrete;

static_assert(BackboneAdapter<Vit<>>);
static_assert(BackboneAdapter<Vit<Frozen>>);
static_assert(std::is_same_v<Vit<>, Vit<Frozen>>);
static_assert(!BackboneAdapter<int>);
static_assert(!HasWidth<int> && HasWidth<Vit<>>);
static_assert(!StatesPreprocessing<int> && StatesPreprocessing<Vit<>>);
static_assert(!NamesItsWeights<int> && NamesItsWeights<Vit<>>);
static_assert(!EncodesImages<int> && EncodesImages<Vit<>>);
static_assert(!AcceptsPrompts<int> && AcceptsPrompts<Vit<>>);

static_assert(BackboneTuning<Frozen> && !BackboneTuning<int>);
static_assert(NamesItself<Frozen> && DeclaresWhatLearns<Frozen> && StatesItsForm<Frozen> && !NamesItself<int> && !DeclaresWhatLearns<int> && !StatesItsForm<int>);

static_assert(LeavesTrunk<ClassAttention> && !LeavesTrunk<Bottleneck> && !LeavesTrunk<Frozen>);
static_assert(BackboneAdapter<Vit<ClassAttention>>);
static_assert(SharesTrunk<TuningBank<Vit<ClassAttention>>> && !SharesTrunk<TuningBank<Vit<Bottleneck>>> && !SharesTrunk<Vit<>>);

// A hook may have any of the members; each is found alone.
struct Tokens {
  TokenInjection tokens(Index block);
};
struct FromHidden {
  TokenInjection tokens(Index block, TensorView<float const, 3> hidden);
};
struct Keys {
  PrefixInjection prefix(Index block);
};
struct Kinds {
  Injects kind(Index block);
};
struct Eyes {
  void observe(Index block, TensorView<float const, 3> tokens);
};
struct Says {
  [[nodiscard]] bool learns() const;
};
static_assert(SaysWhetherItLearns<Says> && !SaysWhetherItLearns<Eyes> && !SaysWhetherItLearns<NoHook>);
static_assert(InjectsTokens<Tokens> && !InjectsTokensFromHidden<Tokens> && !InjectsPrefix<Tokens> && !StatesKind<Tokens> && !ObservesBlocks<Tokens>);
static_assert(InjectsTokensFromHidden<FromHidden> && !InjectsTokens<FromHidden>);
static_assert(InjectsPrefix<Keys> && !InjectsTokens<Keys>);
static_assert(StatesKind<Kinds> && !ObservesBlocks<Kinds>);
static_assert(ObservesBlocks<Eyes> && !StatesKind<Eyes>);
static_assert(!InjectsTokens<NoHook> && !InjectsTokensFromHidden<NoHook> && !InjectsPrefix<NoHook> && !StatesKind<NoHook> && !ObservesBlocks<NoHook>);
static_assert(std::is_empty_v<NoHook>);

}  // namespace
