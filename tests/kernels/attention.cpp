#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/golden.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/attention.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace accrete::test::attention_test {
namespace {
using kernels::AttentionShape;
using kernels::KeyValuePrefix;

struct Problem {
  Index batch, heads, queries, keys, head_width, prefix;
  bool shared = false;
};

template <class T>
double widened(T value) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return static_cast<double>(to_float(value));
  } else {
    return static_cast<double>(value);
  }
}

/// Queries, keys and values as columns of [q | k | v], with a prefix for each sequence or for all.
template <class T>
struct Arrays {
  Problem problem;
  Index width;
  Matrix<T> query_rows, key_rows, prefix_k, prefix_v;

  explicit Arrays(Problem p)
      : problem(p),
        width(p.heads * p.head_width),
        query_rows(normal<T>(1, Shape<2>{p.batch * p.queries, width + 3})),
        key_rows(normal<T>(2, Shape<2>{p.batch * p.keys, 2 * width})),
        prefix_k(normal<T>(3, Shape<2>{(p.shared ? 1 : p.batch) * p.prefix, width})),
        prefix_v(normal<T>(4, Shape<2>{(p.shared ? 1 : p.batch) * p.prefix, width})) {}

  [[nodiscard]] RowsView<T const> q() const { return columns(query_rows.cview(), 2, width); }
  [[nodiscard]] RowsView<T const> k() const { return columns(key_rows.cview(), 0, width); }
  [[nodiscard]] RowsView<T const> v() const { return columns(key_rows.cview(), width, width); }
  [[nodiscard]] KeyValuePrefix<T> prefix() const { return {prefix_k.cview(), prefix_v.cview(), problem.prefix}; }

  template <class Exec>
  [[nodiscard]] Matrix<T> result(Exec const& exec) const {
    Matrix<T> y({problem.batch * problem.queries, width});
    kernels::attention(exec, q(), k(), v(), {problem.batch, problem.heads}, prefix(), RowsView<T>(y.view()));
    return y;
  }

  [[nodiscard]] Matrix<double> expected() const {
    Matrix<double> y = Matrix<double>::zeros({problem.batch * problem.queries, width});
    Index const all = problem.prefix + problem.keys;
    for (Index b = 0; b < problem.batch; ++b) {
      auto const row = [&](RowsView<T const> own, Matrix<T> const& before, Index j) {
        return j < problem.prefix ? before.data() + ((problem.shared ? 0 : b * problem.prefix) + j) * width : own.row(b * problem.keys + j - problem.prefix);
      };
      for (Index h = 0; h < problem.heads; ++h) {
        for (Index i = b * problem.queries; i < (b + 1) * problem.queries; ++i) {
          std::vector<double> weight(static_cast<std::size_t>(all));
          double largest = -std::numeric_limits<double>::infinity();
          for (Index j = 0; j < all; ++j) {
            double score = 0.0;
            for (Index c = h * problem.head_width; c < (h + 1) * problem.head_width; ++c) { score += widened(q().row(i)[c]) * widened(row(k(), prefix_k, j)[c]); }
            weight[static_cast<std::size_t>(j)] = score / std::sqrt(static_cast<double>(problem.head_width));
            largest = std::max(largest, weight[static_cast<std::size_t>(j)]);
          }
          double sum = 0.0;
          for (double& w : weight) { sum += w = std::exp(w - largest); }
          for (Index j = 0; j < all; ++j) {
            for (Index c = h * problem.head_width; c < (h + 1) * problem.head_width; ++c) { y(i, c) += weight[static_cast<std::size_t>(j)] / sum * widened(row(v(), prefix_v, j)[c]); }
          }
        }
      }
    }
    return y;
  }
};

std::vector<Problem> const problems{{1, 1, 1, 1, 1, 0},    {2, 3, 7, 7, 5, 4},    {2, 3, 7, 7, 5, 4, true}, {1, 2, 65, 65, 64, 0}, {2, 1, 1, 50, 64, 0},   {1, 2, 30, 197, 64, 5},
                                    {2, 2, 49, 33, 80, 0}, {1, 4, 25, 16, 16, 1}, {3, 1, 6, 100, 20, 10},   {1, 1, 24, 48, 33, 0}, {1, 12, 17, 17, 64, 0}, {1, 1, 100, 130, 24, 3}};
}  // namespace

TEST_CASE_TEMPLATE("attention equals its formula for any numbers of queries, keys, heads and prefix rows", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    for (Problem const& problem : problems) {
      CAPTURE(problem.queries);
      CAPTURE(problem.keys);
      CAPTURE(problem.head_width);
      CAPTURE(problem.prefix);
      Arrays<T> const arrays(problem);
      CHECK(relative_difference(arrays.result(typename Case::Executor{.threads = threads}), arrays.expected()) <= tolerance<T>(Kind::attention));
    }
  }
}

TEST_CASE_TEMPLATE("attention in float is within a few roundings of float64 at the size of a published network", Exec, ACCRETE_HOST_EXECUTORS) {
  Arrays<float> const arrays({1, 2, 197, 197, 64, 0});
  CHECK(relative_difference(arrays.result(Exec{}), arrays.expected()) <= tolerance<float>(Kind::elementwise));  // measured 1e-6; the general row of the table is wider
}

TEST_CASE_TEMPLATE("attention gives the reference's values, with and without a prefix", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  auto const values = golden("kernels");
  // The file has [batch, heads, rows, width]; rows of all heads belong side by side.
  auto const side_by_side = [&](std::string const& name) {
    auto const t = values.template read<T, 4>(name);
    Matrix<T> rows({t.extent(0) * t.extent(2), t.extent(1) * t.extent(3)});
    for (Index b = 0; b < t.extent(0); ++b) {
      for (Index h = 0; h < t.extent(1); ++h) {
        for (Index n = 0; n < t.extent(2); ++n) {
          for (Index c = 0; c < t.extent(3); ++c) { rows(b * t.extent(2) + n, h * t.extent(3) + c) = t(b, h, n, c); }
        }
      }
    }
    return rows;
  };
  auto const q = side_by_side("attention.q");
  auto const k = side_by_side("attention.k");
  auto const v = side_by_side("attention.v");
  auto const prefix_k = side_by_side("attention.prefix_k");
  auto const prefix_v = side_by_side("attention.prefix_v");
  typename Case::Executor const exec;
  Matrix<T> y(q.shape());
  kernels::attention(exec, RowsView<T const>(q.cview()), k.cview(), v.cview(), AttentionShape{2, 3}, KeyValuePrefix<T>{}, RowsView<T>(y.view()));
  CHECK(relative_difference(y, side_by_side("attention.output")) <= tolerance<T>(Kind::attention));
  kernels::attention(exec, RowsView<T const>(q.cview()), k.cview(), v.cview(), AttentionShape{2, 3}, KeyValuePrefix<T>{prefix_k.cview(), prefix_v.cview(), 4}, RowsView<T>(y.view()));
  CHECK(relative_difference(y, side_by_side("attention_prefix.output")) <= tolerance<T>(Kind::attention));
}

TEST_CASE_TEMPLATE("a sequence's attention has the same bits alone, in a batch and with any threads", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  for (Problem const& problem : {Problem{5, 3, 65, 65, 64, 0}, Problem{5, 2, 9, 50, 20, 3}, Problem{3, 1, 100, 100, 32, 0}}) {
    CAPTURE(problem.queries);
    Arrays<T> const arrays(problem);
    auto const want = arrays.result(typename Case::Executor{.threads = 1});
    for (int const threads : {1, 2, 7}) {
      CAPTURE(threads);
      typename Case::Executor const exec{.threads = threads};
      CHECK(same_bits(arrays.result(exec), want));
      for (Index b = 0; b < problem.batch; ++b) {
        Matrix<T> alone({problem.queries, arrays.width});
        auto const part = [&](RowsView<T const> rows, Index count) { return RowsView<T const>(rows.row(b * count), count, rows.width, rows.stride); };
        KeyValuePrefix<T> const prefix{arrays.prefix_k.cview().slice(b * problem.prefix, problem.prefix), arrays.prefix_v.cview().slice(b * problem.prefix, problem.prefix), problem.prefix};
        kernels::attention(exec, part(arrays.q(), problem.queries), part(arrays.k(), problem.keys), part(arrays.v(), problem.keys), {1, problem.heads}, prefix, RowsView<T>(alone.view()));
        CHECK(same_bits(alone, want.view().slice(b * problem.queries, problem.queries)));
      }
    }
  }
}

TEST_CASE_TEMPLATE("one query alone has the bits it has among all of its sequence", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  Arrays<T> const arrays({1, 3, 65, 65, 64, 0});
  typename Case::Executor const exec;
  auto const all = arrays.result(exec);
  for (Index const i : {0, 23, 24, 64}) {
    Matrix<T> alone({1, arrays.width});
    kernels::attention(exec, RowsView<T const>(arrays.q().row(i), 1, arrays.width, arrays.width), arrays.k(), arrays.v(), {1, 3}, KeyValuePrefix<T>{}, RowsView<T>(alone.view()));
    CHECK(same_bits(alone[0], all[i]));
  }
}

TEST_CASE_TEMPLATE("scores of a thousand and more neither overflow nor lose the row", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  Matrix<T> q = Matrix<T>::zeros({1, 4});
  Matrix<T> k = Matrix<T>::zeros({3, 4});
  Matrix<T> v = Matrix<T>::zeros({3, 4});
  std::fill(q.begin(), q.end(), T{100});
  for (Index j = 0; j < 3; ++j) {
    std::fill_n(k[j].data(), 4, static_cast<T>(j == 1 ? 10 : -10));
    std::fill_n(v[j].data(), 4, static_cast<T>(j + 1));
  }
  Matrix<T> y({1, 4});
  kernels::attention(typename Case::Executor{}, RowsView<T const>(q.cview()), k.cview(), v.cview(), AttentionShape{1, 1}, KeyValuePrefix<T>{}, RowsView<T>(y.view()));
  for (T const value : y) { CHECK(value == T{2}); }
}

TEST_CASE_TEMPLATE("a NaN in one sequence stays in it", Exec, ACCRETE_HOST_EXECUTORS) {
  Arrays<float> arrays({2, 1, 20, 20, 16, 0});
  auto const want = arrays.result(Exec{});
  arrays.key_rows(3, 0) = std::nanf("");
  auto const got = arrays.result(Exec{});
  for (float const value : got.view().slice(0, 20)) { CHECK(std::isnan(value)); }
  CHECK(same_bits(got.view().slice(20, 20), want.view().slice(20, 20)));
}

TEST_CASE_TEMPLATE("attention names extents that do not fit", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const q = Matrix<float>::zeros({4, 6});
  auto y = Matrix<float>::zeros({4, 6});
  auto const run = [&](AttentionShape shape, KeyValuePrefix<float> const& prefix = {}) {
    kernels::attention(Exec{}, RowsView<float const>(q.cview()), q.cview(), q.cview(), shape, prefix, RowsView<float>(y.view()));
  };
  CHECK_THROWS_AS(run({1, 4}), ShapeError);
  CHECK_THROWS_AS(run({3, 2}), ShapeError);
  CHECK_THROWS_AS(run({0, 2}), ShapeError);
  CHECK_THROWS_AS(run({2, 2}, {q.cview(), q.cview(), 3}), ShapeError);
  run({2, 2}, {q.cview(), q.cview(), 2});
}

}  // namespace accrete::test::attention_test
