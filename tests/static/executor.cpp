#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

#include <cstddef>
#include <string_view>

namespace {

struct Complete {
  using Memory = accrete::HostMemory;
  struct PackedWeights {};
  static constexpr std::string_view name = "complete";
  accrete::Precision precision = accrete::Precision::float32;
  void wait() const {}
};
static_assert(accrete::Executor<Complete>);

struct Nameless : Complete {
 private:
  using Complete::name;
};
static_assert(!accrete::HasExecutorName<Nameless> && !accrete::Executor<Nameless>);

struct Breathless : Complete {
  void wait() const = delete;
};
static_assert(!accrete::Waits<Breathless> && !accrete::Executor<Breathless>);

struct Homeless : Complete {
  struct Memory {};
};
static_assert(!accrete::OwnsMemory<Homeless> && !accrete::Executor<Homeless>);

struct Weightless : Complete {
 private:
  using Complete::PackedWeights;
};
static_assert(!accrete::PacksWeights<Weightless> && !accrete::Executor<Weightless>);

struct Unique : Complete {
  Unique(Unique const&) = delete;
};
static_assert(!accrete::Executor<Unique>);

}  // namespace
