#include <accrete/train/gradient_protocol.hpp>
#include <accrete/train/term/logit_distillation.hpp>
#include <accrete/train/term/with_terms.hpp>

using namespace accrete;

using Protocol = GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, WithTerms<CrossEntropy, LogitDistillation>>;
static_assert(sizeof(Protocol) > 0);
