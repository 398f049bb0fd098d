// expect-error: AppliesPanels
#include <accrete/head/feature_map.hpp>

#include <cstdint>

struct Identity {
  static constexpr char const* name = "identity";
  Identity() = default;
  Identity(accrete::Index inputs, accrete::Index /*outputs*/, std::uint64_t /*seed*/) : width(inputs) {}
  accrete::Index inputs() const { return width; }
  accrete::Index outputs() const { return width; }
  void apply(auto const& /*exec*/, accrete::RowsView<float const> /*features*/, accrete::Index /*first*/, accrete::RowsView<float> /*out*/) const {}
  friend bool operator==(Identity const&, Identity const&) = default;

  accrete::Index width = 0;
};
static_assert(accrete::FeatureMap<Identity>);
