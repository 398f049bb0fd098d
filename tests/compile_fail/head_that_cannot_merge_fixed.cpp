#include <accrete/head/prototype.hpp>

struct Private : accrete::PrototypeHead {};
static_assert(accrete::MergesStatistics<Private>);
