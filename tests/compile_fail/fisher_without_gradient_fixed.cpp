#include <accrete/backbone/vit.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/prompt/none.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/train/gradient_task.hpp>
#include <accrete/tuning/full.hpp>

using namespace accrete;

using Task = GradientTask<Vit<Full>, NoPrompt, LinearHead, FisherMerge<>, GradientProtocol<Trains::every_task, Competing::of_task>>;
static_assert(sizeof(Task) > 0);
