// How does a policy of one's own look? A head that remembers every feature and asks for the nearest one, in one struct.
#include <accrete/accrete.hpp>
#include <accrete/accrete_image.hpp>

#include <algorithm>
#include <iostream>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace ac = accrete;

/// Nearest neighbour: a class scores the largest cosine between the feature and any it was learned from.
struct NearestNeighbourHead {
  static constexpr std::string_view name = "nearest-neighbour";
  static constexpr ac::StatisticsTraits statistics{.additive = true};

  struct State {
    ac::Index classes = 0;
    ac::Index width = 0;
    std::vector<float> features;  // [n, width]
    std::vector<ac::Index> columns;
  };

  static std::vector<ac::Setting<NearestNeighbourHead>> settings() { return {}; }
  void admit(State& state, ac::Index classes) const { state.classes = std::max(state.classes, classes); }
  ac::Index classes(State const& state) const { return state.classes; }

  template <class Exec>
  void observe(Exec const& /*exec*/, State& state, ac::MatrixView<float const> features, std::span<ac::Index const> columns) const {
    state.width = features.extent(1);
    state.features.insert(state.features.end(), features.begin(), features.end());
    state.columns.insert(state.columns.end(), columns.begin(), columns.end());
  }

  template <class Exec>
  void fit(Exec const& /*exec*/, State& /*state*/) const {}

  template <class Exec>
  void scores(Exec const& exec, State const& state, ac::MatrixView<float const> features, ac::MatrixView<float> scores) const {
    auto const count = static_cast<ac::Index>(state.columns.size());
    ac::Matrix<float> similarity({features.extent(0), count});
    ac::kernels::cosine(exec, features, ac::MatrixView<float const>(state.features.data(), {count, state.width}), similarity.view());
    std::fill(scores.begin(), scores.end(), std::numeric_limits<float>::lowest());
    for (ac::Index b = 0; b < features.extent(0); ++b) {
      for (ac::Index i = 0; i < count; ++i) {
        float& best = scores(b, state.columns[static_cast<std::size_t>(i)]);
        best = std::max(best, similarity(b, i));
      }
    }
  }

  template <class Writer>
  void write(State const& state, Writer& writer) const {
    ac::Matrix<float> features({static_cast<ac::Index>(state.columns.size()), state.width});
    ac::Vector<ac::Index> columns({features.extent(0)});
    std::copy(state.features.begin(), state.features.end(), features.begin());
    std::copy(state.columns.begin(), state.columns.end(), columns.begin());
    writer.setting("classes", state.classes);
    writer.tensor("features", std::move(features));
    writer.tensor("columns", std::move(columns));
  }

  template <class Reader>
  void read(State& state, Reader const& reader) const {
    auto const features = reader.template tensor<float, 2>("features");
    auto const columns = reader.template tensor<ac::Index, 1>("columns");
    state = {.classes = reader.template setting<ac::Index>("classes"), .width = features.extent(1), .features = {features.begin(), features.end()}, .columns = {columns.begin(), columns.end()}};
  }
};
static_assert(ac::ClassifierHead<NearestNeighbourHead>);  // the contract is checked where the policy is written

int main() {
  ac::HostExecutor<> const exec{.threads = 2};
  ac::Learner<ac::Vit<>, ac::NoPrompt, NearestNeighbourHead> learner{ac::Vit<>::load(ACCRETE_WEIGHTS_DIR "/vit_cifar_patch4_32.safetensors")};
  for (ac::Task const& task : ac::class_incremental(ac::fashion_mnist(), {.tasks = 2, .train_per_class = 40})) {
    learner.observe(exec, task.train());
    std::cout << learner.classes().size() << " classes: " << learner.evaluate(exec, task.seen().first_per_class(40)) << " %\n";
  }
}
