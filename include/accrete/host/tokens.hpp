#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/kernels/tokens.hpp>

#include <algorithm>
#include <type_traits>

namespace accrete::host {
namespace detail {
inline void convert_scalar(float from, float& to) { to = from; }
inline void convert_scalar(float from, double& to) { to = static_cast<double>(from); }
inline void convert_scalar(double from, float& to) { to = static_cast<float>(from); }
inline void convert_scalar(float from, bfloat16& to) { to = to_bfloat16(from); }
inline void convert_scalar(bfloat16 from, float& to) { to = to_float(from); }

template <class From, class To>
void convert_row(From const* from, To* to, Index count) {
  Index i = 0;
  if constexpr (std::is_same_v<From, bfloat16> || std::is_same_v<To, bfloat16>) {
    for (; i + simd::lanes<float> <= count; i += simd::lanes<float>) { simd::store_narrow(to + i, simd::load_wide(from + i)); }
  }
  for (; i < count; ++i) { convert_scalar(from[i], to[i]); }
}

template <class T>
void add_rows(T const* a, T const* b, T* y, Index count) {
  Index i = 0;
  for (; i + simd::lanes<T> <= count; i += simd::lanes<T>) { simd::store(y + i, simd::load(a + i) + simd::load(b + i)); }
  for (; i < count; ++i) { y[i] = a[i] + b[i]; }
}
}  // namespace detail

template <class Products, class Y>
void patches_on(HostExecutor<Products> const& exec, TensorView<float const, 4> images, Index edge, MatrixView<Y> columns) {
  Index const channels = images.extent(1);
  Index const height = images.extent(2);
  Index const width = images.extent(3);
  Index const down = height / edge;
  Index const across = width / edge;
  parallel_ranges(exec.thread_count(), images.extent(0) * down, across * columns.extent(1), [&](Index first, Index last) {
    for (Index strip = first; strip < last; ++strip) {
      Index const image = strip / down;
      Index const top = strip % down * edge;
      Y* const out = columns.data() + strip * across * columns.extent(1);
      for (Index c = 0; c < channels; ++c) {
        for (Index dy = 0; dy < edge; ++dy) {
          float const* const line = images.data() + ((image * channels + c) * height + top + dy) * width;
          for (Index gx = 0; gx < across; ++gx) { detail::convert_row(line + gx * edge, out + gx * columns.extent(1) + (c * edge + dy) * edge, edge); }
        }
      }
    }
  });
}

template <class Products, class T>
void assemble_tokens_on(HostExecutor<Products> const& exec, MatrixView<T const> patches, MatrixView<T const> prefix, MatrixView<T const> positions, TensorView<T, 3> tokens) {
  Index const width = tokens.extent(2);
  Index const grid = positions.extent(0);
  parallel_ranges(exec.thread_count(), tokens.extent(0), tokens.extent(1) * width, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      T* const to = std::copy(prefix.begin(), prefix.end(), tokens.data() + b * tokens.extent(1) * width);
      detail::add_rows(patches.data() + b * grid * width, positions.data(), to, grid * width);
    }
  });
}

template <class Products, class T>
void insert_tokens_on(HostExecutor<Products> const& exec, TensorView<T const, 3> tokens, TensorView<T const, 3> extra, Index at, TensorView<T, 3> longer) {
  Index const width = tokens.extent(2);
  Index const length = extra.extent(1) * width;
  parallel_ranges(exec.thread_count(), tokens.extent(0), longer.extent(1) * width, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      T const* const from = tokens.data() + b * tokens.extent(1) * width;
      T const* const added = extra.data() + (extra.extent(0) == 1 ? 0 : b) * length;
      T* to = longer.data() + b * longer.extent(1) * width;
      to = std::copy_n(from, at * width, to);
      to = std::copy_n(added, length, to);
      std::copy_n(from + at * width, (tokens.extent(1) - at) * width, to);
    }
  });
}

template <class Products, class T>
void overwrite_tokens_on(HostExecutor<Products> const& exec, TensorView<T const, 3> extra, Index at, TensorView<T, 3> tokens) {
  Index const width = tokens.extent(2);
  Index const length = extra.extent(1) * width;
  parallel_ranges(exec.thread_count(), tokens.extent(0), length, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) { std::copy_n(extra.data() + (extra.extent(0) == 1 ? 0 : b) * length, length, tokens.data() + (b * tokens.extent(1) + at) * width); }
  });
}

template <class Products, class T>
void mean_tokens_on(HostExecutor<Products> const& exec, TensorView<T const, 3> tokens, Index first_row, MatrixView<T> mean) {
  Index const width = tokens.extent(2);
  Index const rows = tokens.extent(1) - first_row;
  parallel_ranges(exec.thread_count(), tokens.extent(0), rows * width, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      T const* const from = tokens.data() + (b * tokens.extent(1) + first_row) * width;
      T* const to = mean.data() + b * width;
      std::copy_n(from, width, to);
      for (Index r = 1; r < rows; ++r) { detail::add_rows(from + r * width, to, to, width); }
      for (Index c = 0; c < width; ++c) { to[c] /= static_cast<T>(rows); }
    }
  });
}

template <class Products, class T>
void remove_tokens_on(HostExecutor<Products> const& exec, TensorView<T const, 3> longer, Index at, TensorView<T, 3> shorter) {
  Index const width = longer.extent(2);
  Index const removed = longer.extent(1) - shorter.extent(1);
  parallel_ranges(exec.thread_count(), shorter.extent(0), shorter.extent(1) * width, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      T const* const from = longer.data() + b * longer.extent(1) * width;
      T* const to = std::copy_n(from, at * width, shorter.data() + b * shorter.extent(1) * width);
      std::copy_n(from + (at + removed) * width, (shorter.extent(1) - at) * width, to);
    }
  });
}

template <class Products, class T>
void sum_tokens_on(HostExecutor<Products> const& exec, TensorView<T const, 3> tokens, Index first_row, MatrixView<T> sums) {
  Index const width = tokens.extent(2);
  parallel_ranges(exec.thread_count(), sums.extent(0), tokens.extent(0) * width, [&](Index first, Index last) {
    for (Index b = 0; b < tokens.extent(0); ++b) {
      T const* const from = tokens.data() + (b * tokens.extent(1) + first_row) * width;
      detail::add_rows(sums.data() + first * width, from + first * width, sums.data() + first * width, (last - first) * width);
    }
  });
}

template <class Products, class T>
void spread_mean_tokens_on(HostExecutor<Products> const& exec, MatrixView<T const> d_mean, Index first_row, TensorView<T, 3> d_tokens) {
  Index const width = d_tokens.extent(2);
  Index const rows = d_tokens.extent(1) - first_row;
  T const share = T{1} / static_cast<T>(rows);
  parallel_ranges(exec.thread_count(), d_tokens.extent(0), rows * width, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      T const* const from = d_mean.data() + b * width;
      for (Index r = 0; r < rows; ++r) {
        T* const to = d_tokens.data() + (b * d_tokens.extent(1) + first_row + r) * width;
        for (Index c = 0; c < width; ++c) { to[c] += from[c] * share; }
      }
    }
  });
}

template <class Products, class From, class To>
void convert_on(HostExecutor<Products> const& exec, VectorView<From const> from, VectorView<To> to) {
  parallel_ranges(exec.thread_count(), from.extent(0), 1, [&](Index first, Index last) { detail::convert_row(from.data() + first, to.data() + first, last - first); });
}

}  // namespace accrete::host
