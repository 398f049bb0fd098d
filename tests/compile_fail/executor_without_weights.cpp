// expect-error: PacksWeights
#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

struct Bare {
  using Memory = accrete::HostMemory;
  static constexpr char const* name = "bare";
  void wait() const {}
};
static_assert(accrete::Executor<Bare>);
