// expect-error: Fisher information comes from gradients
#include <accrete/backbone/vit.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/prompt/none.hpp>
#include <accrete/train/gradient_task.hpp>
#include <accrete/tuning/full.hpp>

using namespace accrete;

// Nothing but statistics is learned.
using Task = GradientTask<Vit<Full>, NoPrompt, LinearHead, FisherMerge<>, StatisticsOnly>;
static_assert(sizeof(Task) > 0);
