#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/threads.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace accrete::host {
namespace detail {
struct ChunkSums;
}

/// Rows whose sum one thread takes alone. Fixed, so that a sum over all rows does not depend on the threads.
inline constexpr Index chunk_rows = 128;

/// sums[k](c) += sum over rows of something, for `Count` sums of `width` columns.
/// @param body  body(first, last, partial) adds rows [first, last) to partial[k], `width` zeros at first; the chunks are added in ascending order
template <class S, std::size_t Count, class Body>
void sum_row_chunks(int threads, Index rows, Index width, std::array<S*, Count> const& sums, Body const& body) {
  constexpr auto count = static_cast<Index>(Count);
  Index const chunks = (rows + chunk_rows - 1) / chunk_rows;
  S* const partials = ThreadScratch<detail::ChunkSums>::get<S>(chunks * count * width);
  parallel_ranges(threads, chunks, chunk_rows * width, [&](Index first, Index last) {
    for (Index chunk = first; chunk < last; ++chunk) {
      S* const place = partials + chunk * count * width;
      std::fill_n(place, count * width, S{});
      std::array<S*, Count> partial{};
      for (std::size_t k = 0; k < Count; ++k) { partial[k] = place + static_cast<Index>(k) * width; }
      body(chunk * chunk_rows, std::min(rows, (chunk + 1) * chunk_rows), partial);
    }
  });
  parallel_ranges(threads, width, chunks * count, [&](Index first, Index last) {
    for (Index chunk = 0; chunk < chunks; ++chunk) {
      for (std::size_t k = 0; k < Count; ++k) {
        S const* const from = partials + (chunk * count + static_cast<Index>(k)) * width;
        for (Index c = first; c < last; ++c) { sums[k][c] += from[c]; }
      }
    }
  });
}

}  // namespace accrete::host
