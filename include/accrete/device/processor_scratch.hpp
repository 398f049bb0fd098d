#pragma once

#include <accrete/core/scratch.hpp>

#include <cstddef>

namespace accrete::device {

/// Working memory of the processor's systems; goes back when it is destroyed.
struct ProcessorLoan {
  ScratchPool<>::Lease<std::byte, 1> lease;

  [[nodiscard]] void* data() const { return lease.data(); }
};

/// One store for all executors, so that nothing is allocated after the first calls of a size.
[[nodiscard]] inline ProcessorLoan borrow_on_processor(std::size_t bytes) {
  static ScratchPool<> const pool;
  return {pool.lease<std::byte>(Shape<1>{static_cast<Index>(bytes)})};
}

}  // namespace accrete::device
