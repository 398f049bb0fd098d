// expect-error: MergesStatistics
#include <accrete/head/prototype.hpp>

struct Private : accrete::PrototypeHead {
  void merge(State&, State const&, std::span<accrete::Index const>) const = delete;
};
static_assert(accrete::MergesStatistics<Private>);
