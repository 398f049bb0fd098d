#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/rows.hpp>

#include <cmath>
#include <concepts>

namespace accrete::device {

template <class T>
struct SoftmaxRow {
  T* data;
  Index width;

  ACCRETE_HD void operator()(Index row) const {
    T* const x = data + row * width;
    T largest = x[0];
    for (Index i = 1; i < width; ++i) { largest = x[i] > largest ? x[i] : largest; }
    for (Index i = 0; i < width; ++i) { x[i] = std::exp(x[i] - largest); }
    T const total = sum_of<T>(width, [x](Index i) { return x[i]; });
    for (Index i = 0; i < width; ++i) { x[i] /= total; }
  }
};

template <OnProcessor System, std::floating_point T>
void softmax_on(DeviceExecutor<System> const& exec, MatrixView<T> x) {
  if (!x.empty()) { for_each_index(exec, "softmax", x.extent(0), SoftmaxRow<T>{x.data(), x.extent(1)}); }
}

template <class T>
struct StatisticsOfRow {
  T const* data;
  Index width;
  double* mean;
  double* variance;

  ACCRETE_HD void operator()(Index row) const {
    T const* const x = data + row * width;
    auto const count = static_cast<double>(width);
    double const centre = sum_of<double>(width, [x](Index i) { return static_cast<double>(x[i]); }) / count;
    mean[row] = centre;
    variance[row] = sum_of<double>(width, [x, centre](Index i) { return (static_cast<double>(x[i]) - centre) * (static_cast<double>(x[i]) - centre); }) / count;
  }
};

template <class System, std::floating_point T>
void row_statistics_on(DeviceExecutor<System> const& exec, MatrixView<T const> x, VectorView<double> mean, VectorView<double> variance) {
  for_each_index(exec, "row_statistics", x.extent(0), StatisticsOfRow<T>{x.data(), x.extent(1), mean.data(), variance.data()});
}

/// The k best of one row. The outputs hold a heap whose root is the worst entry kept; at the end it is taken apart from the worst on.
template <class T>
struct TopkRow {
  T const* scores;
  Index width;
  Index* index;
  T* best;
  Index count;

  ACCRETE_HD void operator()(Index row) const {
    T const* const x = scores + row * width;
    Index* const kept = index + row * count;
    for (Index i = 0; i < count; ++i) { kept[i] = i; }
    for (Index root = count / 2 - 1; root >= 0; --root) { sink(x, kept, root, count); }
    for (Index i = count; i < width; ++i) {
      if (better(x, i, kept[0])) {
        kept[0] = i;
        sink(x, kept, 0, count);
      }
    }
    for (Index end = count - 1; end > 0; --end) {
      Index const worst = kept[0];
      kept[0] = kept[end];
      kept[end] = worst;
      sink(x, kept, 0, end);
    }
    for (Index i = 0; i < count; ++i) { best[row * count + i] = x[kept[i]]; }
  }

 private:
  /// Whether column a comes before column b: the larger value, any number before a NaN, the lower column among equals.
  ACCRETE_HD static bool better(T const* x, Index a, Index b) {
    bool const a_counts = x[a] == x[a];
    bool const b_counts = x[b] == x[b];
    if (a_counts != b_counts) { return a_counts; }
    if (a_counts && x[a] > x[b]) { return true; }
    if (a_counts && x[a] < x[b]) { return false; }
    return a < b;
  }

  ACCRETE_HD static void sink(T const* x, Index* kept, Index root, Index size) {
    for (Index child = 2 * root + 1; child < size; child = 2 * root + 1) {
      if (child + 1 < size && better(x, kept[child], kept[child + 1])) { ++child; }
      if (!better(x, kept[root], kept[child])) { return; }
      Index const moved = kept[root];
      kept[root] = kept[child];
      kept[child] = moved;
      root = child;
    }
  }
};

template <class System, std::floating_point T>
void topk_on(DeviceExecutor<System> const& exec, MatrixView<T const> scores, MatrixView<Index> index, MatrixView<T> best) {
  if (index.empty()) { return; }
  for_each_index(exec, "topk", scores.extent(0), TopkRow<T>{scores.data(), scores.extent(1), index.data(), best.data(), index.extent(1)});
}

/// One score. The lengths are summed again for every pair, which costs less than a place to keep them.
template <class T>
struct CosinePair {
  T const* queries;
  T const* keys;
  Index width;
  Index key_count;
  T* y;

  ACCRETE_HD void operator()(Index pair) const {
    T const* const query = queries + pair / key_count * width;
    T const* const key = keys + pair % key_count * width;
    y[pair] = inner_product<T>(query, key, width) / (length(query) * length(key));
  }

 private:
  [[nodiscard]] ACCRETE_HD T length(T const* x) const {
    T const norm = std::sqrt(inner_product<T>(x, x, width));
    auto const least = static_cast<T>(1e-12);
    return norm < least ? least : norm;
  }
};

template <class System, std::floating_point T>
void cosine_on(DeviceExecutor<System> const& exec, MatrixView<T const> queries, MatrixView<T const> keys, MatrixView<T> y) {
  if (!y.empty()) { for_each_index(exec, "cosine", y.size(), CosinePair<T>{queries.data(), keys.data(), queries.extent(1), keys.extent(0), y.data()}); }
}

}  // namespace accrete::device
