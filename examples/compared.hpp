#pragma once

// What the examples that compare compositions share: a stream of tasks from the command line, and a run through it.
#include <accrete/accrete.hpp>
#include <accrete/accrete_image.hpp>
#include <accrete/data/cifar.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/gradient_protocol.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace compared {

namespace ac = accrete;
using ac::Index;

template <class Trained>
using EveryTask = ac::GradientProtocol<ac::Trains::every_task, ac::Competing::of_task, Trained, ac::CrossEntropy, ac::Adam>;
using DroppedHead = EveryTask<ac::TemporaryHead<ac::LinearHead>>;  // what lies below learns under a head that goes; the learner's own sees the features
using OwnHead = EveryTask<ac::OwnHead>;

/// Tasks, and how long each is learned.
struct Stream {
  ac::DataSet data;
  ac::StreamSettings settings;
  Index epochs = 1;
  std::uint64_t seed = 1;
};

/// @param[in] words  [DATA [CLASSES [TASKS [PER_CLASS [EPOCHS [SEED]]]]]]; none: a look at Fashion-MNIST
inline Stream stream_of(std::vector<std::string> const& words) {
  auto const number = [&](std::size_t i, Index otherwise) { return words.size() > i ? ac::parse_number<Index>("argument", words[i], 0, 1 << 30) : otherwise; };
  if (words.empty()) { return {ac::fashion_mnist(), {.tasks = 5, .train_per_class = 20}}; }
  Stream stream{ac::cifar100(words[0]), {.tasks = number(2, 10), .train_per_class = number(3, 100)}, number(4, 5), static_cast<std::uint64_t>(number(5, 1))};
  if (words.size() > 1 && words[1] != "all") {
    for (std::size_t first = 0; first < words[1].size();) {
      std::size_t const end = std::min(words[1].find(',', first), words[1].size());
      stream.settings.classes.push_back(ac::parse_number<Index>("CLASSES", words[1].substr(first, end - first), 0, 1 << 30));
      first = end + 1;
    }
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
void run(char const* name, Stream const& stream, Learner learner) {
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
  std::printf("%-42s average %6.2f  last %6.2f  %5.0f s\n", name, sum / static_cast<double>(tasks), last, watch.seconds());
  std::fflush(stdout);
}

}  // namespace compared
