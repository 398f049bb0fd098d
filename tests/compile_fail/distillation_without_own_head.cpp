// expect-error: logits are distilled from the learner's head
#include <accrete/head/cosine.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/train/term/logit_distillation.hpp>
#include <accrete/train/term/with_terms.hpp>

using namespace accrete;

// The head that is trained knows no earlier class.
using Protocol = GradientProtocol<Trains::every_task, Competing::of_task, TemporaryHead<CosineHead>, WithTerms<CrossEntropy, LogitDistillation>>;
static_assert(sizeof(Protocol) > 0);
