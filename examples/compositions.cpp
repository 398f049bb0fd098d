// What do the parts of methods give when they are put together as no paper did? Compositions beside their parents, on one stream.
//
//   example_compositions [DATA [CLASSES [TASKS [PER_CLASS [EPOCHS [SEED [NAME]]]]]]]     CLASSES: numbers with commas between, or `all`
//
// DATA is a folder in CIFAR-100's binary layout. Without it: a look at Fashion-MNIST. NAME: only what has this in its name.
#include <accrete/accrete.hpp>
#include <accrete/accrete_image.hpp>
#include <accrete/data/cifar.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/head/task_voting.hpp>
#include <accrete/merge/ema.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/prompt/attention.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/prompt/key_query.hpp>
#include <accrete/prompt/weight/sparsemax.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/train/loss/energy_anchor.hpp>
#include <accrete/tuning/lora.hpp>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace ac = accrete;
using ac::Index;

namespace {

template <class Trained, class Loss = ac::CrossEntropy>
using EveryTask = ac::GradientProtocol<ac::Trains::every_task, ac::Competing::of_task, Trained, Loss, ac::Adam>;
using DroppedHead = EveryTask<ac::TemporaryHead<ac::LinearHead>>;  // what lies below learns under a head that goes; the learner's own sees the features
using OwnHead = EveryTask<ac::OwnHead>;
using BySgd = ac::GradientProtocol<ac::Trains::every_task, ac::Competing::of_task>;
using Anchored = EveryTask<ac::OwnHead, ac::EnergyAnchor>;
using ProjectedRidge = ac::RidgeHead<ac::RandomProjection>;

// Parents.
using Means = ac::Learner<>;
using Ridge = ac::Learner<ac::Vit<>, ac::NoPrompt, ProjectedRidge>;
using Rows = ac::Learner<ac::Vit<>, ac::FixedPrompt<ac::Deep>, ac::LinearHead, ac::NoMerge, OwnHead>;
using Experts = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<>, ac::LinearHead, ac::NoMerge, OwnHead>;
using Attention = ac::Learner<ac::Vit<>, ac::AttentionPrompt<>, ac::LinearHead, ac::NoMerge, OwnHead>;
using HeadAlone = ac::Learner<ac::Vit<>, ac::NoPrompt, ac::LinearHead, ac::NoMerge, OwnHead>;  // what a prompt method is without its prompt
using HeadBySgd = ac::Learner<ac::Vit<>, ac::NoPrompt, ac::LinearHead, ac::NoMerge, BySgd>;
using LastRidge = ac::Learner<ac::Vit<ac::Lora>, ac::NoPrompt, ProjectedRidge, ac::NoMerge, DroppedHead>;

// (a) components of prompts of which a picture gets few, and a ridge regression on what they make of it
using SparseRidge = ac::Learner<ac::Vit<>, ac::AttentionPrompt<ac::SparsemaxWeights>, ProjectedRidge, ac::NoMerge, DroppedHead>;
// (b) general prompts averaged over the tasks, and expert prompts found by the mean queries of their classes
using MeanKeys = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<ac::ClassMeanKeys>, ac::LinearHead, ac::Ema<ac::OfGeneralPrompt>, OwnHead>;
// (c) expert prompts under class means instead of a linear head
using ExpertMeans = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<>, ac::PrototypeHead, ac::NoMerge, DroppedHead>;
// (d) prompts that all tasks share, merged by what each task's Fisher information says of them
using MergedGeneral = ac::Learner<ac::Vit<>, ac::GeneralExpertPrompt<>, ac::LinearHead, ac::FisherMerge<ac::OfGeneralPrompt>, OwnHead>;
using MergedRows = ac::Learner<ac::Vit<>, ac::FixedPrompt<ac::Deep>, ac::LinearHead, ac::FisherMerge<ac::OfPrompt>, OwnHead>;
// (e) low-rank parts averaged over the tasks under a ridge regression
using AveragedRidge = ac::Learner<ac::Vit<ac::Lora>, ac::NoPrompt, ProjectedRidge, ac::Ema<>, DroppedHead>;
// (f) attended prompts under a classifier of each task, among which energies choose
using VotingAttention = ac::Learner<ac::Vit<>, ac::AttentionPrompt<>, ac::TaskVotingHead<>, ac::NoMerge, Anchored>;

/// Tasks, how long each is learned, and by what.
struct Stream {
  ac::DataSet data;
  ac::StreamSettings settings;
  Index epochs = 1;
  std::uint64_t seed = 1;
  std::string only = {};  ///< what has this in its name
};

/// @param[in] words  as above; none: a look at Fashion-MNIST
Stream stream_of(std::vector<std::string> const& words) {
  auto const number = [&](std::size_t i, Index otherwise) { return words.size() > i ? ac::parse_number<Index>("argument", words[i], 0, 1 << 30) : otherwise; };
  if (words.empty()) { return {ac::fashion_mnist(), {.tasks = 5, .train_per_class = 20}}; }
  Stream stream{ac::cifar100(words[0]), {.tasks = number(2, 10), .train_per_class = number(3, 100)}, number(4, 5), static_cast<std::uint64_t>(number(5, 1)), words.size() > 6 ? words[6] : ""};
  if (words.size() > 1 && words[1] != "all") {
    for (std::string_view const word : ac::split_text(words[1], ',')) { stream.settings.classes.push_back(ac::parse_number<Index>("CLASSES", word, 0, 1 << 30)); }
  }
  return stream;
}

/// Learning at a constant rate, pictures turned around at most.
template <class Protocol>
Protocol protocol(Stream const& stream, double rate, Index batch) {
  Protocol made;
  made.training.epochs = stream.epochs;
  made.training.batch = batch;
  made.training.rate = rate;
  made.training.curve = ac::RateCurve::constant;
  made.training.weight_decay = 0.0;
  made.training.augmentation.cropping = ac::Cropping::evaluation;  // flips alone
  made.training.seed = stream.seed;
  return made;
}

/// Learns every task and prints one line.
template <class Learner>
void run(std::string const& name, Stream const& stream, Learner learner) {
  if (name.find(stream.only) == std::string::npos) { return; }
  ac::HostExecutor<> const exec{.threads = 2};
  ac::FeatureCache cache;
  ac::Reading const reading{.cache = &cache};
  ac::Stopwatch const watch;
  double sum = 0.0;
  double last = 0.0;
  Index tasks = 0;
  for (ac::Task const& task : ac::class_incremental(stream.data, stream.settings)) {
    learner.observe(exec, task.train(), reading);
    ac::Examples const seen = stream.epochs == 1 ? task.seen().first_per_class(20) : task.seen();
    last = learner.evaluate(exec, seen, reading);
    sum += last;
    ++tasks;
  }
  std::printf("%-42s average %6.2f  last %6.2f  %5.0f s\n", name.c_str(), sum / static_cast<double>(tasks), last, watch.seconds());
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** words) {
  try {
    Stream const stream = stream_of({words + 1, words + count});
    auto const vit = ac::Vit<>::load(ACCRETE_WEIGHTS_DIR "/vit_cifar_patch4_32.safetensors");
    ProjectedRidge ridge;
    ridge.projection = 2000;
    ac::FixedPrompt<ac::Deep> const rows{.length = 5, .initial = ac::PromptInit::xavier, .seed = stream.seed};
    ac::GeneralExpertPrompt<> const experts{.placement = {.length = 5, .first = 2, .blocks = 3}, .seed = stream.seed};
    ac::GeneralExpertPrompt<ac::ClassMeanKeys> const experts_by_means{.placement = experts.placement, .seed = stream.seed};
    ac::AttentionPrompt<> const components{.seed = stream.seed};
    ac::AttentionPrompt<ac::SparsemaxWeights> const sparse{.seed = stream.seed};
    ac::LinearHead const zeros{.initial = ac::InitialRows::zeros};
    ac::LinearHead const uniform{.initial = ac::InitialRows::uniform, .seed = stream.seed};
    ac::LinearHead const fan_out{.initial = ac::InitialRows::fan_out, .fan_out = 100, .seed = stream.seed};
    ac::Vit<ac::Lora> const tuned(vit, {.rank = 5}, {.seed = stream.seed, .purpose = ac::Purpose::initialisation});
    auto const own = [&](double rate, Index batch) { return protocol<OwnHead>(stream, rate, batch); };
    auto const dropped = [&](double rate, Index batch) { return protocol<DroppedHead>(stream, rate, batch); };
    double const expert_rate = 0.0028125;
    auto by_sgd = protocol<BySgd>(stream, 0.01, 48);
    by_sgd.training.curve = ac::RateCurve::cosine;
    by_sgd.training.weight_decay = 5e-4;

    run("prototypes", stream, Means(vit));
    run("ridge", stream, Ridge(vit, {}, ridge));
    run("head alone, as under pools", stream, HeadAlone(vit, {}, zeros, {}, own(0.001875, 16)));
    run("head alone, as under expert prompts", stream, HeadAlone(vit, {}, zeros, {}, own(expert_rate, 24)));
    run("head alone, as under components", stream, HeadAlone(vit, {}, uniform, {}, own(1e-3, 32)));
    run("head alone, as under generated prompts", stream, HeadAlone(vit, {}, fan_out, {}, own(0.01, 32)));
    run("head alone, as under fixed prompts", stream, HeadBySgd(vit, {}, fan_out, {}, by_sgd));
    run("deep prompts", stream, Rows(vit, rows, zeros, {}, own(expert_rate, 24)));
    run("(d) the same, merged by Fisher", stream, MergedRows(vit, rows, zeros, {}, own(expert_rate, 24)));
    run("general and expert prompts", stream, Experts(vit, experts, zeros, {}, own(expert_rate, 24)));
    run("(b) general ones averaged, class-mean keys", stream, MeanKeys(vit, experts_by_means, zeros, {.decay = 0.5}, own(expert_rate, 24)));
    run("(c) general and expert ones, prototypes", stream, ExpertMeans(vit, experts, {}, {}, dropped(expert_rate, 24)));
    run("(d) general ones merged by Fisher", stream, MergedGeneral(vit, experts, zeros, {}, own(expert_rate, 24)));
    run("attended components", stream, Attention(vit, components, uniform, {}, own(1e-3, 32)));
    run("(a) sparse components, ridge", stream, SparseRidge(vit, sparse, ridge, {}, dropped(1e-3, 32)));
    run("(f) components task by task under a vote", stream, VotingAttention(vit, components, {uniform, {}}, {}, protocol<Anchored>(stream, 1e-3, 32)));
    run("low-rank parts, ridge", stream, LastRidge(tuned, {}, ridge, {}, dropped(1e-3, 24)));
    run("(e) low-rank parts averaged, ridge", stream, AveragedRidge(tuned, {}, ridge, {.decay = 0.9}, dropped(1e-3, 24)));
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "compositions: " << error.what() << '\n';
    return 1;
  }
}
