#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

struct Bare {
  using Memory = accrete::HostMemory;
  struct PackedWeights {};
  static constexpr char const* name = "bare";
  accrete::Precision precision = accrete::Precision::float32;
  void wait() const {}
};
static_assert(accrete::Executor<Bare>);
