#include <accrete/head/concept.hpp>

#include <span>

struct Fixed {
  static constexpr accrete::StatisticsTraits statistics{};
  struct State {};
  void admit(auto& /*state*/, accrete::Index /*classes*/) const {}
  accrete::Index classes(auto const& /*state*/) const { return 0; }
  void observe(auto const& /*exec*/, auto& /*state*/, accrete::MatrixView<float const> /*features*/, std::span<accrete::Index const> /*columns*/) const {}
  void fit(auto const& /*exec*/, auto& /*state*/) const {}
  void scores(auto const& /*exec*/, auto const& /*state*/, accrete::MatrixView<float const> /*features*/, accrete::MatrixView<float> /*scores*/) const {}
  void write(auto const& /*state*/, auto& /*writer*/) const {}
  void read(auto& /*state*/, auto const& /*reader*/) const {}
};
static_assert(accrete::ClassifierHead<Fixed>);
