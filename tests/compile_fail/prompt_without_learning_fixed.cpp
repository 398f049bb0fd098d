#include <accrete/backbone/vit.hpp>
#include <accrete/head/cosine.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/learner.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/gradient_protocol.hpp>

using namespace accrete;

// The prompt learns on the first task, under a head that goes afterwards.
using Method = Learner<Vit<>, FixedPrompt<Deep>, PrototypeHead, NoMerge, GradientProtocol<Trains::first_task, Competing::of_task, TemporaryHead<CosineHead>>>;
static_assert(sizeof(Method) > 0);
