#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/kernels/dropout.hpp>

#include <cstdint>
#include <type_traits>

namespace accrete::host {

template <class Products, class T>
void dropout_on(HostExecutor<Products> const& exec, Rng const& rng, double rate, RowsView<T> x) {
  using S = SumScalar<T>;
  constexpr Index random_cost = 16;  // a random number costs about as many additions
  auto const kept = static_cast<S>(1.0 / (1.0 - rate));
  parallel_ranges(exec.thread_count(), x.rows, random_cost * x.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      T* const row = x.row(i);
      for (Index c = 0; c < x.width; ++c) {
        bool const stays = rng.uniform(static_cast<std::uint64_t>(i * x.width + c)) >= rate;
        if constexpr (std::is_same_v<T, bfloat16>) {
          row[c] = stays ? to_bfloat16(to_float(row[c]) * kept) : T{};
        } else {
          row[c] = stays ? row[c] * kept : T{};
        }
      }
    }
  });
}

}  // namespace accrete::host
