// What do merge rules and votes give where no paper put them? Compositions beside their parents, on one stream.
//
//   example_mixture_compositions [DATA [CLASSES [TASKS [PER_CLASS [EPOCHS [SEED]]]]]]     CLASSES: numbers with commas between, or `all`
//
// DATA is a folder in CIFAR-100's binary layout. Without it: a look at Fashion-MNIST.
#include "compared.hpp"

#include <accrete/accrete.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/head/task_voting.hpp>
#include <accrete/merge/ema.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/prompt/attention.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/prompt/key_query.hpp>
#include <accrete/train/loss/energy_anchor.hpp>
#include <accrete/tuning/lora.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace ac = accrete;

namespace {

using compared::DroppedHead;
using compared::OwnHead;
using Anchored = ac::GradientProtocol<ac::Trains::every_task, ac::Competing::of_task, ac::OwnHead, ac::EnergyAnchor, ac::Adam>;

// (a) prompts that all tasks share, merged by what each task's Fisher information says of them
using MergedGeneral = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<>, ac::LinearHead, ac::FisherMerge<ac::OfGeneralPrompt>, OwnHead>;
using MergedRows = ac::Learner<ac::Vit<>, ac::FixedPrompt<ac::Deep>, ac::LinearHead, ac::FisherMerge<ac::OfPrompt>, OwnHead>;
// (b) low-rank parts averaged over the tasks under a ridge regression
using AveragedRidge = ac::Learner<ac::Vit<ac::Lora>, ac::NoPrompt, ac::RidgeHead<ac::RandomProjection>, ac::Ema<>, DroppedHead>;
// (c) attended prompts under a classifier of each task, among which energies choose
using VotingAttention = ac::Learner<ac::Vit<>, ac::AttentionPrompt<>, ac::TaskVotingHead<>, ac::NoMerge, Anchored>;
// Their parents.
using General = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<>, ac::LinearHead, ac::NoMerge, OwnHead>;
using Rows = ac::Learner<ac::Vit<>, ac::FixedPrompt<ac::Deep>, ac::LinearHead, ac::NoMerge, OwnHead>;
using LastRidge = ac::Learner<ac::Vit<ac::Lora>, ac::NoPrompt, ac::RidgeHead<ac::RandomProjection>, ac::NoMerge, DroppedHead>;
using Ridge = ac::Learner<ac::Vit<>, ac::NoPrompt, ac::RidgeHead<ac::RandomProjection>>;
using Attention = ac::Learner<ac::Vit<>, ac::AttentionPrompt<>, ac::LinearHead, ac::NoMerge, OwnHead>;

}  // namespace

int main(int count, char** words) {
  try {
    compared::Stream const stream = compared::stream_of({words + 1, words + count});
    auto const vit = ac::Vit<>::load(ACCRETE_WEIGHTS_DIR "/vit_cifar_patch4_32.safetensors");
    ac::RidgeHead<ac::RandomProjection> ridge;
    ridge.projection = 2000;
    ac::GeneralExpertPrompt<> const general{.placement = {.length = 5, .first = 2, .blocks = 3}, .seed = stream.seed};
    ac::FixedPrompt<ac::Deep> const rows{.length = 5, .initial = ac::PromptInit::xavier, .seed = stream.seed};
    ac::AttentionPrompt<> const components{.seed = stream.seed};
    ac::LinearHead const zeros{.initial = ac::InitialRows::zeros};
    ac::LinearHead const uniform{.initial = ac::InitialRows::uniform, .seed = stream.seed};
    ac::Vit<ac::Lora> const tuned(vit, {.rank = 5}, {.seed = stream.seed, .purpose = ac::Purpose::initialisation});
    double const rate = 0.0028125;
    auto const own = [&](double own_rate, ac::Index batch) { return compared::protocol<OwnHead>(stream, own_rate, batch); };

    compared::run("general and expert prompts", stream, General(vit, general, zeros, {}, own(rate, 24)));
    compared::run("(a) the same, general ones merged by Fisher", stream, MergedGeneral(vit, general, zeros, {}, own(rate, 24)));
    compared::run("deep prompts", stream, Rows(vit, rows, zeros, {}, own(rate, 24)));
    compared::run("(a) the same, merged by Fisher", stream, MergedRows(vit, rows, zeros, {}, own(rate, 24)));
    compared::run("ridge", stream, Ridge(vit, {}, ridge));
    compared::run("low-rank parts, ridge", stream, LastRidge(tuned, {}, ridge, {}, compared::protocol<DroppedHead>(stream, 1e-3, 24)));
    compared::run("(b) the same, averaged over tasks", stream, AveragedRidge(tuned, {}, ridge, {.decay = 0.9}, compared::protocol<DroppedHead>(stream, 1e-3, 24)));
    compared::run("attended components", stream, Attention(vit, components, uniform, {}, own(1e-3, 32)));
    compared::run("(c) the same, task by task under a vote", stream, VotingAttention(vit, components, {uniform, {}}, {}, compared::protocol<Anchored>(stream, 1e-3, 32)));
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "mixture_compositions: " << error.what() << '\n';
    return 1;
  }
}
