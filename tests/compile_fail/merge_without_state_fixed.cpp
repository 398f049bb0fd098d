#include <accrete/merge/concept.hpp>

struct Forgetful {
  static constexpr char const* name = "forgetful";
  struct State {};

  template <class State>
  void fold(State&, accrete::VectorView<float>, accrete::VectorView<float const>) const {}
};
static_assert(accrete::MergeRule<Forgetful>);
