#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>

namespace accrete::kernels {
namespace detail {
template <class Exec, class Body>
concept RunsParts = requires(Exec const& exec, Index count, Body const& body) {
  for_parts_on(exec, count, count, body);
};

struct ForPartsFn {
  template <class Exec, class Body>
  void operator()(Exec const& exec, Index total, Index most, Body const& body) const {
    expects(total >= 0 && most > 0, "for_parts", "there must be room for one item in a part", total, most);
    if (total == 0) { return; }
    if constexpr (RunsParts<Exec, Body>) {
      for_parts_on(exec, total, most, body);
    } else {
      body(exec, Index{0}, total);
    }
  }
};
}  // namespace detail

/// Cuts a batch of independent items into parts and calls body(exec, first, count) for each; together they cover [0, total) once.
/// An executor with a body of its own cuts parts of at most about `most` items and may run them at the same time, each with its share of the threads, so that
/// a part's intermediate results stay in the cache of the processor that made them and threads meet once instead of after each kernel. Others take all items at once.
/// What is computed for an item must not depend on the part it is in.
/// @param body  called with an executor of the same type; from several threads at once; the first exception is thrown again when all have ended
inline constexpr detail::ForPartsFn for_parts{};

/// Sequences of a part: about `rows` rows, enough for full products and few enough to stay near the processor.
[[nodiscard]] constexpr Index sequences_at_once(Index tokens, Index rows = 256) { return std::max<Index>(1, rows / tokens); }

}  // namespace accrete::kernels
