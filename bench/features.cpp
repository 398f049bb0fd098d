// Features per second of a checkpoint.
//   accrete_bench_features --weights FILE [--batch B] [--precision float32|bfloat16] [--threads T] [--image-size N] [--heads H] [--serve]
// Without --serve, Google Benchmark's report. With it, a child for bench/peers: each line `run` on standard input is answered by the seconds of one
// batch, each line `features PATH` by writing the batch (`input`, `features`) into a safetensors file; so that rivals can take turns with us.

#include <accrete/accrete.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace accrete;

struct Settings {
  std::string weights;
  Index batch = 8;
  Precision precision = Precision::float32;
  int threads = 0;
  VitOptions options;
  bool serve = false;
};

/// @throws ValueError  for an unknown option or a value it cannot take
Settings parse(std::vector<std::string> const& words) {
  Settings settings;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string const& word = words[i];
    if (word == "--serve") {
      settings.serve = true;
      continue;
    }
    if (i + 1 == words.size()) { fail<ValueError>(word, "is unknown or lacks its value"); }
    std::string const& value = words[++i];
    if (word == "--weights") {
      settings.weights = value;
    } else if (word == "--batch") {
      settings.batch = parse_number<Index>(word, value, 1, 65536);
    } else if (word == "--threads") {
      settings.threads = parse_number<int>(word, value, 0, 4096);
    } else if (word == "--heads") {
      settings.options.heads = parse_number<Index>(word, value, 1, 65536);
    } else if (word == "--image-size") {
      settings.options.image_height = parse_number<Index>(word, value, 1, 65536);
    } else if (word == "--precision" && (value == name_of(Precision::float32) || value == name_of(Precision::bfloat16))) {
      settings.precision = value == name_of(Precision::float32) ? Precision::float32 : Precision::bfloat16;
    } else {
      fail<ValueError>(word, "cannot take '", value, "'");
    }
  }
  if (settings.weights.empty()) { fail<ValueError>("--weights", "is needed: a checkpoint"); }
  return settings;
}

/// Fixed noise of about unit variance.
Tensor<float, 4> noise(Index batch, VitShape const& shape) {
  Tensor<float, 4> images({batch, shape.channels, shape.image_height, shape.image_width});
  std::uint32_t state = 1;
  for (float& pixel : images) {
    state = state * 1664525U + 1013904223U;
    pixel = (static_cast<float>(state >> 8U) / 8388608.0F - 1.0F) * 1.7F;
  }
  return images;
}

struct Work {
  HostExecutor<> exec;
  Vit<> vit;
  Tensor<float, 4> images;

  explicit Work(Settings const& settings)
      : exec{.threads = settings.threads, .precision = settings.precision}, vit(Vit<>::load(settings.weights, settings.options)), images(noise(settings.batch, vit.shape())) {}

  [[nodiscard]] Matrix<float> run() const { return vit.features(exec, images); }
};

void serve(Work const& work) {
  static_cast<void>(work.run());  // packs the weights
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "run") {
      auto const start = std::chrono::steady_clock::now();
      auto const features = work.run();
      benchmark::DoNotOptimize(features.data());
      std::cout << std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() << std::endl;
    } else if (line.rfind("features ", 0) == 0) {
      auto const features = work.run();
      SafetensorsWriter writer;
      writer.add("input", work.images);
      writer.add("features", features);
      writer.write(line.substr(9));
      std::cout << "written" << std::endl;
    } else {
      fail<ValueError>("accrete_bench_features", "does not understand '", line, "'");
    }
  }
}

void report(Work const& work, Settings const& settings) {
  auto const name = message("features/accrete/host/", settings.precision == Precision::float32 ? "f32" : "bf16", "/B:", settings.batch, "/T:", work.vit.shape().tokens(), "/D:", work.vit.width(),
                            "/L:", work.vit.depth());
  benchmark::RegisterBenchmark(name.c_str(),
                               [&work](benchmark::State& state) {
                                 static_cast<void>(work.run());
                                 for (auto _ : state) { benchmark::DoNotOptimize(work.run().data()); }
                                 state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * work.images.extent(0));
                               })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->Repetitions(9)
      ->ReportAggregatesOnly(true);
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    benchmark::Initialize(&argc, argv);
    auto const settings = parse(std::vector<std::string>(argv + 1, argv + argc));
    Work const work(settings);
    settings.serve ? serve(work) : report(work, settings);
  } catch (std::exception const& error) {
    std::cerr << "accrete_bench_features: " << error.what() << '\n';
    return 1;
  }
}
