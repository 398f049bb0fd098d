#include <accrete/head/concept.hpp>

using accrete::Index;
using accrete::MatrixView;
using accrete::ParameterStore;

struct BothWays {
  struct State {
    ParameterStore<float>& parameters();
    [[nodiscard]] ParameterStore<float> const& parameters() const;
    [[nodiscard]] ParameterStore<float> const& scoring() const;
    void align(ParameterStore<float> aligned);
  };
  void admit(State& /*state*/, accrete::TaskInfo const& /*task*/, Index /*width*/) const {}
  [[nodiscard]] Index classes(State const& /*state*/) const { return 1; }
  void logits(auto const& /*exec*/, auto const& /*store*/, auto /*features*/, auto /*logits*/) const {}
  void backward(auto const& /*exec*/, auto const& /*store*/, MatrixView<float const> /*features*/, MatrixView<float const> /*d_logits*/, MatrixView<float> /*d_features*/, auto& /*gradients*/) const {}
  void scores(auto const& /*exec*/, State const& /*state*/, MatrixView<float const> /*features*/, MatrixView<float> /*scores*/) const {}
  void write(State const& /*state*/, auto& /*writer*/) const {}
  void read(State& /*state*/, auto const& /*reader*/) const {}
};
static_assert(accrete::LearnsByGradient<BothWays>);
