// What do the parts of prompt methods give when they are put together as no paper did? Three compositions beside their parents, on one stream.
//
//   example_prompt_compositions [DATA [CLASSES [TASKS [PER_CLASS [EPOCHS [SEED]]]]]]     CLASSES: numbers with commas between, or `all`
//
// DATA is a folder in CIFAR-100's binary layout. Without it: a look at Fashion-MNIST.
#include "compared.hpp"

#include <accrete/accrete.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/merge/ema.hpp>
#include <accrete/prompt/attention.hpp>
#include <accrete/prompt/key_query.hpp>
#include <accrete/prompt/weight/sparsemax.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace ac = accrete;

namespace {

using compared::DroppedHead;
using compared::OwnHead;

// (a) components of prompts of which a picture gets few, and a ridge regression on what they make of it
using SparseRidge = ac::Learner<ac::Vit<>, ac::AttentionPrompt<ac::SparsemaxWeights>, ac::RidgeHead<ac::RandomProjection>, ac::NoMerge, DroppedHead>;
// (b) general prompts averaged over the tasks, and expert prompts found by the mean queries of their classes
using MeanKeys = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<ac::ClassMeanKeys>, ac::LinearHead, ac::Ema<ac::OfGeneralPrompt>, OwnHead>;
// (c) expert prompts under class means instead of a linear head
using ExpertMeans = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<>, ac::PrototypeHead, ac::NoMerge, DroppedHead>;
// Their parents.
using Expert = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<>, ac::LinearHead, ac::NoMerge, OwnHead>;
using Attention = ac::Learner<ac::Vit<>, ac::AttentionPrompt<>, ac::LinearHead, ac::NoMerge, OwnHead>;
using Ridge = ac::Learner<ac::Vit<>, ac::NoPrompt, ac::RidgeHead<ac::RandomProjection>>;
using Means = ac::Learner<>;

}  // namespace

int main(int count, char** words) {
  try {
    compared::Stream const stream = compared::stream_of({words + 1, words + count});
    auto const vit = ac::Vit<>::load(ACCRETE_WEIGHTS_DIR "/vit_cifar_patch4_32.safetensors");
    ac::RidgeHead<ac::RandomProjection> ridge;
    ridge.projection = 2000;
    ac::GeneralExpertPrompt<> expert{.placement = {.length = 5, .first = 2, .blocks = 3}, .seed = stream.seed};
    ac::GeneralExpertPrompt<ac::ClassMeanKeys> expert_by_means{.placement = expert.placement, .seed = stream.seed};
    ac::AttentionPrompt<> components{.seed = stream.seed};
    ac::AttentionPrompt<ac::SparsemaxWeights> sparse{.seed = stream.seed};
    ac::LinearHead const zeros{.initial = ac::InitialRows::zeros};
    ac::LinearHead const uniform{.initial = ac::InitialRows::uniform, .seed = stream.seed};
    double const expert_rate = 0.0028125;

    compared::run("prototypes", stream, Means(vit));
    compared::run("ridge", stream, Ridge(vit, {}, ridge));
    compared::run("general and expert prompts, linear head", stream, Expert(vit, expert, zeros, {}, compared::protocol<OwnHead>(stream, expert_rate, 24)));
    compared::run("attended components, linear head", stream, Attention(vit, components, uniform, {}, compared::protocol<OwnHead>(stream, 1e-3, 32)));
    compared::run("(a) sparse components, ridge", stream, SparseRidge(vit, sparse, ridge, {}, compared::protocol<DroppedHead>(stream, 1e-3, 32)));
    compared::run("(b) merged general, class-mean keys", stream, MeanKeys(vit, expert_by_means, zeros, {.decay = 0.5}, compared::protocol<OwnHead>(stream, expert_rate, 24)));
    compared::run("(c) general and expert prompts, prototypes", stream, ExpertMeans(vit, expert, {}, {}, compared::protocol<DroppedHead>(stream, expert_rate, 24)));
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "prompt_compositions: " << error.what() << '\n';
    return 1;
  }
}
