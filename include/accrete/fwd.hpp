#pragma once

/// Forward declarations of what is expensive to include, and the default policies.

namespace accrete {

struct Frozen;
struct NoPrompt;
struct PrototypeHead;
struct NoMerge;
struct StatisticsOnly;

template <class Tuning = Frozen>
class Vit;

template <class Backbone = Vit<>, class Prompt = NoPrompt, class Head = PrototypeHead, class Merge = NoMerge, class Protocol = StatisticsOnly>
class Learner;

}  // namespace accrete
