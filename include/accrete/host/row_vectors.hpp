#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/simd.hpp>

namespace accrete::host {

/// Loads and stores of whole vectors, scalars of either width seen in the arithmetic type.
struct WholeVector {
  template <class T>
  [[nodiscard]] auto load(T const* from) const {
    return simd::load_wide(from);
  }
  template <class T, class V>
  void store(T* to, V v) const {
    simd::store_narrow(to, v);
  }
};

/// The same for the first `count` lanes: zeros come in for the others, and nothing goes out.
struct PartVector {
  Index count;

  template <class T>
  [[nodiscard]] auto load(T const* from) const {
    return simd::load_wide_part(from, count);
  }
  template <class T, class V>
  void store(T* to, V v) const {
    simd::store_narrow_part(to, v, count);
  }
};

/// Calls body(c, lanes) for each vector of a row, `lanes` a `WholeVector`, or a `PartVector` for what is left at the end.
/// @tparam S  the arithmetic type, float or double
template <class S, class Body>
inline void for_vectors(Index width, Body const& body) {
  constexpr Index step = simd::lanes<S>;
  Index c = 0;
  for (; c + step <= width; c += step) { body(c, WholeVector{}); }
  if (c < width) { body(c, PartVector{width - c}); }
}

}  // namespace accrete::host
