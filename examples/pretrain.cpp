// How does a vision transformer begin without a checkpoint? Trained here from nothing, by this library alone, and written with timm's names, so that
// everything else (`accrete run --backbone FILE`, timm itself) takes it from there.
//
//   example_pretrain [--data fashion-mnist | cifar10:DIR | cifar100:DIR | idx:DIR | folder:DIR] [--out FILE] [--epochs N] [--train-per-class N] …   (options below)
//
// AdamW, warm-up and cosine, random crops and flips; mixup and smoothed labels where asked for. Without options: Fashion-MNIST, a network of 0.4 million parameters.
#include <accrete/accrete.hpp>
#include <accrete/accrete_image.hpp>
#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/train/adamw.hpp>
#include <accrete/train/batch_order.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/mixup.hpp>
#include <accrete/train/schedule.hpp>
#include <accrete/tuning/full.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace ac = accrete;
using ac::Index;

namespace {

struct Options {
  std::string data = "fashion-mnist";
  std::string out = "vit-pretrained.safetensors";
  Index image = 28, patch = 4, width = 128, depth = 3, hidden = 256;
  Index epochs = 10, batch = 64, train_per_class = 0, warmup = 100, seed = 1;
  double rate = 1e-3, decay = 0.05, smoothing = 0.0, mixup = 0.0, flip = 0.5;
  int threads = 0;
};

Options parse(std::vector<std::string> const& words) {
  Options o;
  auto const numbers =
      std::vector<std::pair<std::string, Index*>>{{"--image", &o.image},   {"--patch", &o.patch}, {"--width", &o.width},   {"--depth", &o.depth}, {"--hidden", &o.hidden},
                                                  {"--epochs", &o.epochs}, {"--batch", &o.batch}, {"--warmup", &o.warmup}, {"--seed", &o.seed},   {"--train-per-class", &o.train_per_class}};
  auto const reals = std::vector<std::pair<std::string, double*>>{{"--rate", &o.rate}, {"--decay", &o.decay}, {"--smoothing", &o.smoothing}, {"--mixup", &o.mixup}, {"--flip", &o.flip}};
  for (std::size_t i = 0; i < words.size(); i += 2) {
    if (i + 1 == words.size()) { ac::fail<ac::ValueError>("pretrain", words[i], " needs a value"); }
    std::string const& value = words[i + 1];
    bool known = true;
    auto const number = std::find_if(numbers.begin(), numbers.end(), [&](auto const& entry) { return entry.first == words[i]; });
    auto const real = std::find_if(reals.begin(), reals.end(), [&](auto const& entry) { return entry.first == words[i]; });
    if (number != numbers.end()) {
      *number->second = ac::parse_number<Index>(words[i], value, 0, 1 << 30);
    } else if (real != reals.end()) {
      *real->second = ac::parse_number<double>(words[i], value, 0.0, 1e6);
    } else if (words[i] == "--data") {
      o.data = value;
    } else if (words[i] == "--out") {
      o.out = value;
    } else if (words[i] == "--threads") {
      o.threads = ac::parse_number<int>(words[i], value, 0, 4096);
    } else {
      known = false;
    }
    if (!known) { ac::fail<ac::ValueError>("pretrain", "there is no option ", words[i]); }
  }
  if (o.epochs < 1) { ac::fail<ac::ValueError>("pretrain", "--epochs must be at least 1 (came: ", o.epochs, ")"); }
  return o;
}

ac::DataSet load(std::string const& spec) {
  auto const colon = std::min(spec.find(':'), spec.size());
  std::string const kind = spec.substr(0, colon);
  std::filesystem::path const folder = spec.substr(std::min(colon + 1, spec.size()));
  if (kind == "fashion-mnist") { return folder.empty() ? ac::fashion_mnist() : ac::fashion_mnist(folder); }
  if (kind == "cifar10") { return ac::cifar10(folder); }
  if (kind == "cifar100") { return ac::cifar100(folder); }
  if (kind == "idx") { return ac::idx(folder); }
  if (kind == "folder") { return ac::image_folder(folder); }
  ac::fail<ac::ValueError>("--data", "there is no '", kind, "'");
}

/// Extents as timm's files have them.
std::vector<Index> extents_in_file(std::string const& name, std::vector<Index> extents) {
  if (name == "cls_token") { return {1, 1, extents[0]}; }
  if (name == "pos_embed") { return {1, extents[0], extents[1]}; }
  return extents;
}

/// First values. Linear layers U(+-sqrt(6 / (inputs + outputs))), q, k and v each for itself (Glorot, Bengio, AISTATS 2010), and positions N(0, 0.5^2), as large as what a patch becomes:
/// from timm's N(0, 0.02^2) a network this narrow needs epochs to see where a patch lies. Class token N(0, 1e-12), norms 1 and 0, patches U(+-1 / sqrt inputs).
void write_beginning(ac::VitShape const& shape, std::uint64_t seed, std::filesystem::path const& path) {
  ac::SafetensorsWriter file;
  std::vector<ac::Vector<float>> kept;
  for (ac::ParameterEntry const& entry : ac::parameters_of(shape)) {
    auto extents = entry.extents;
    if (entry.name == "pos_embed") { extents = {shape.tokens(), shape.width}; }
    Index count = 1;
    for (Index const extent : extents) { count *= extent; }
    auto values = ac::Vector<float>::zeros({count});
    auto const random = ac::detail::segment_rng({.seed = seed, .purpose = ac::Purpose::initialisation}, entry.name);
    bool const weight = entry.name.ends_with(".weight");
    bool const norm = entry.name.find("norm") != std::string::npos;
    if (entry.name == "patch_embed.proj.weight") {
      ac::detail::fill_uniform(random, 1 / std::sqrt(static_cast<double>(count / shape.width)), values.view());
    } else if (weight && norm) {
      std::fill(values.begin(), values.end(), 1.0F);
    } else if (entry.name == "cls_token") {
      ac::detail::fill_normal(random, 0.0F, 1e-6F, values.view());
    } else if (entry.name == "pos_embed") {
      ac::detail::fill_normal(random, 0.0F, 0.5F, values.view());
    } else if (weight) {
      Index const outputs = entry.name.ends_with("qkv.weight") ? extents[0] / 3 : extents[0];
      ac::detail::fill_uniform(random, std::sqrt(6.0 / static_cast<double>(outputs + extents[1])), values.view());
    }
    kept.push_back(std::move(values));
    file.add(entry.name, ac::ScalarType::f32, extents_in_file(entry.name, extents), std::as_bytes(std::span(kept.back().data(), static_cast<std::size_t>(count))));
  }
  file.write(path);
}

/// A store that learns: AdamW with decay on matrices alone.
struct Learned {
  ac::ParameterStore<float> values;
  ac::AdamW::State<float> state;
  std::vector<ac::ParameterUpdate> updates;
  double decay;

  Learned(ac::ParameterStore<float> store, double weight_decay) : values(std::move(store)), state(ac::AdamW{}.start(values)), decay(weight_decay) {}

  template <class Exec>
  void step(Exec const& exec, ac::VectorView<float const> gradients, double rate) {
    updates.clear();
    for (ac::ParameterSpan const& span : values.trainable()) {
      bool const matrix = values.segments()[static_cast<std::size_t>(span.segment)].shape.size() > 1;
      updates.push_back({span, rate, matrix ? decay : 0.0});
    }
    ac::AdamW{}.step(exec, state, values, gradients, updates);
  }
};

template <class Exec>
double accuracy(Exec const& exec, ac::Vit<ac::Full> const& vit, ac::LinearHead const& head, ac::ParameterStore<float> const& classifier, ac::Examples const& examples) {
  auto const set = ac::extract_features(exec, vit, examples, {.batch = 256, .loader_threads = 1, .skip_bad = false, .cache = nullptr, .progress = {}});
  ac::Matrix<float> logits({set.features.extent(0), static_cast<Index>(examples.class_names().size())});
  head.logits(exec, classifier, set.features.cview(), logits.view());
  Index hits = 0;
  for (std::size_t i = 0; i < set.positions.size(); ++i) {
    auto const row = logits.view()[static_cast<Index>(i)];
    hits += std::max_element(row.begin(), row.end()) - row.begin() == examples.label(set.positions[i]) ? 1 : 0;
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(set.positions.size());
}

void write_result(ac::Vit<ac::Full> const& vit, ac::ParameterStore<float> const& classifier, std::filesystem::path const& path) {
  ac::SafetensorsWriter file;
  auto const add = [&](ac::ParameterStore<float> const& store, std::string const& segment, std::string const& name) {
    auto const& shape = store.segment(segment).shape;
    Index count = 1;
    for (Index const extent : shape) { count *= extent; }
    auto const values = store.values().slice(store.offset(segment), count);
    file.add(name, ac::ScalarType::f32, extents_in_file(name, shape), std::as_bytes(std::span(values.data(), static_cast<std::size_t>(count))));
  };
  for (auto const& segment : vit.parameters().segments()) { add(vit.parameters(), segment.name, segment.name); }
  add(classifier, ac::HeadBlock::weight_name(0), "head.weight");
  add(classifier, ac::HeadBlock::bias_name(0), "head.bias");
  file.write(path);
}

void pretrain(Options const& o) {
  ac::HostExecutor<> const exec{.threads = o.threads};
  ac::DataSet const data = load(o.data);
  ac::Examples const train = o.train_per_class > 0 ? data.train.first_per_class(o.train_per_class) : data.train;
  auto const classes = static_cast<Index>(train.class_names().size());

  ac::VitShape const shape{.image_height = o.image, .image_width = o.image, .patch = o.patch, .width = o.width, .depth = o.depth, .heads = std::max<Index>(1, o.width / 64), .hidden = o.hidden};
  std::filesystem::path const out = o.out;
  std::filesystem::path const beginning = out.string() + ".beginning";
  write_beginning(shape, static_cast<std::uint64_t>(o.seed), beginning);
  auto vit = ac::Vit<ac::Full>::load(beginning, {.heads = shape.heads, .image_height = o.image, .preprocessing = ac::Preprocessing{.height = o.image, .width = o.image, .resize_shorter = o.image}});

  ac::LinearHead const head;
  ac::LinearHead::State head_state;
  head.admit(head_state, {.index = 0, .first_class = 0, .classes = classes}, o.width);
  Learned trunk(vit.parameters(), o.decay);
  Learned classifier(head_state.parameters(), o.decay);
  ac::ParameterStore<float> head_gradients = classifier.values;
  Index parameters = 0;
  for (auto const& span : trunk.values.trainable()) { parameters += span.count; }
  std::cout << train.size() << " pictures of " << classes << " classes, " << parameters << " parameters in the trunk\n";

  ac::VitTrainer<ac::HostExecutor<>> trainer(exec, vit);
  ac::NoHook hook;
  ac::Mixup const mixup{.strength = o.mixup, .smoothing = o.smoothing};
  ac::BatchOrder order{.samples = train.size(), .batch = o.batch, .seed = static_cast<std::uint64_t>(o.seed)};
  Index const steps = o.epochs * order.batches();
  ac::WarmupCosineRate const schedule{.base = o.rate, .start = 0.01, .warmup = std::min(o.warmup, steps / 2), .steps = steps - std::min(o.warmup, steps / 2)};
  ac::Stopwatch const watch;
  Index step = 0;
  for (Index epoch = 0; epoch < o.epochs; ++epoch) {
    order.epoch = static_cast<std::uint32_t>(epoch);
    ac::Augmentation augmentation{.cropping = ac::Cropping::shifted, .flip = o.flip};
    augmentation.shifted.resizing = ac::CropResize::square;
    augmentation.shifted.resize = o.image;
    augmentation.shifted.padding = 1;
    ac::Loader loader(train, vit.preprocessing(), {.batch = o.batch}, ac::TrainingPass{.order = order.positions(), .augmentation = augmentation, .seed = order.seed, .epoch = order.epoch});
    ac::Batch batch;
    double total = 0;
    Index seen = 0;
    for (; loader.next(batch); ++step) {
      auto const drawn = mixup.draw(order.seed, 0, order.epoch, step, batch.size());
      ac::Tensor<float, 4> mixed(batch.images.shape());
      ac::Mixup::images(drawn, batch.images.cview(), mixed.view());
      ac::Matrix<double> targets({batch.size(), classes});
      mixup.targets(drawn, batch.labels, targets.view());
      ac::Matrix<float> features({batch.size(), o.width});
      ac::Matrix<float> d_features(features.shape());
      ac::Matrix<float> logits({batch.size(), classes});
      ac::Matrix<float> d_logits(logits.shape());
      trainer.zero_gradients();
      std::fill(head_gradients.values().begin(), head_gradients.values().end(), 0.0F);
      trainer.forward(mixed.cview(), hook, features.view(), {});
      head.logits(exec, classifier.values, features.cview(), logits.view());
      total += ac::CrossEntropy{}.soft<float>(logits.cview(), targets.cview(), {0, classes}, d_logits.view()) * static_cast<double>(batch.size());
      seen += batch.size();
      head.backward(exec, classifier.values, features.cview(), d_logits.cview(), d_features.view(), head_gradients);
      trainer.backward(d_features.cview(), hook);
      double const rate = schedule.rate(step);
      trunk.step(exec, trainer.gradients(), rate);
      classifier.step(exec, std::as_const(head_gradients).values(), rate);
      trainer.refresh(trunk.values);
    }
    std::cout << "epoch " << epoch + 1 << '/' << o.epochs << ": loss " << total / static_cast<double>(seen) << ", " << watch.seconds() << " s" << std::endl;
  }
  vit.assign(trunk.values);
  std::cout << "top-1 of the test pictures: " << accuracy(exec, vit, head, classifier.values, data.test) << " %, " << watch.seconds() << " s\n";
  write_result(vit, classifier.values, out);
  std::filesystem::remove(beginning);
  std::cout << "written: " << out.string() << '\n';
}

}  // namespace

int main(int count, char** words) {
  try {
    pretrain(parse({words + 1, words + count}));
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "pretrain: " << error.what() << '\n';
    return 1;
  }
}
