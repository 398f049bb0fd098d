// expect-error: LearnsFromFeatures
#include <accrete/head/concept.hpp>

#include <span>

struct Fixed {
  static constexpr accrete::StatisticsTraits statistics{};
  struct State {};
  void admit(auto& /*state*/, accrete::Index /*classes*/) const {}
  accrete::Index classes(auto const& /*state*/) const { return 0; }
  void scores(auto const& /*exec*/, auto const& /*state*/, accrete::MatrixView<float const> /*features*/, accrete::MatrixView<float> /*scores*/) const {}
  void write(auto const& /*state*/, auto& /*writer*/) const {}
  void read(auto& /*state*/, auto const& /*reader*/) const {}
};
static_assert(accrete::ClassifierHead<Fixed>);
