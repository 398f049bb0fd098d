#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/kernels/dropout.hpp>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace accrete::host {

template <class Products, class T>
void dropout_on(HostExecutor<Products> const& exec, Rng const& rng, double rate, RowsView<T> x) {
  using S = SumScalar<T>;
  constexpr Index random_cost = 8;  // a random number costs about as many additions
  constexpr Index drawn = 256;      // at a time
  auto const kept = static_cast<S>(1.0 / (1.0 - rate));
  parallel_ranges(exec.thread_count(), x.rows, random_cost * x.width, [&](Index first, Index last) {
    double numbers[drawn];
    for (Index i = first; i < last; ++i) {
      for (Index begin = 0; begin < x.width; begin += drawn) {
        Index const count = std::min(drawn, x.width - begin);
        rng.fill_uniform(static_cast<std::uint64_t>(i * x.width + begin), {numbers, {count}});
        T* const part = x.row(i) + begin;
        for (Index c = 0; c < count; ++c) {
          bool const stays = numbers[c] >= rate;
          if constexpr (std::is_same_v<T, bfloat16>) {
            part[c] = stays ? to_bfloat16(to_float(part[c]) * kept) : T{};
          } else {
            part[c] = stays ? part[c] * kept : T{};
          }
        }
      }
    }
  });
}

}  // namespace accrete::host
