#pragma once

#include <accrete/device/executor.hpp>

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>

#include <string_view>

namespace accrete::device {

/// Calls `work(i)` for every i in [0, count), in any order. Each call must write elements of its own.
/// The kernels here reduce inside one call, in an order that the shape alone fixes. Thrust's own reductions by key cut their
/// input where the partition falls, so that a row's sum would change with the other rows of the batch.
/// @param kernel  named in the message when the launch fails
/// @throws DeviceError  when the launch fails
template <class System, class Work>
void for_each_index(DeviceExecutor<System> const& exec, std::string_view kernel, Index count, Work const& work) {
  if (count == 0) { return; }
  exec.system.run(kernel, [&] { thrust::for_each_n(exec.policy(), thrust::counting_iterator<Index>(0), count, work); });
}

}  // namespace accrete::device
