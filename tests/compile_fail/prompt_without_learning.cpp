// expect-error: a prompt learns by gradient
#include <accrete/backbone/vit.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/learner.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/gradient_protocol.hpp>

using namespace accrete;

// Nothing but statistics is learned.
using Method = Learner<Vit<>, FixedPrompt<Deep>, PrototypeHead, NoMerge, StatisticsOnly>;
static_assert(sizeof(Method) > 0);
