#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/samples.hpp"
#include "support/slopes.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/attention.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace accrete::test::attention_backward_test {
namespace {
using kernels::KeyValueGradient;
using kernels::KeyValuePrefix;

struct Problem {
  Index batch, heads, queries, keys, head_width, prefix;
  bool shared = false;
};

/// Everything in double: a loss sum(dy * y), its gradients by the formulas, one weight at a time.
struct Naive {
  Matrix<double> y, log_sums, dq, dk, dv, prefix_k, prefix_v;
};

/// Queries, keys and values as columns of [q | k | v] where their rows are as many, with a prefix for each sequence or for all.
template <class T>
struct Attention {
  using S = SumScalar<T>;
  Problem p;
  Index width;
  Matrix<T> query_rows, key_rows, before_k, before_v, dy;

  explicit Attention(Problem problem)
      : p(problem),
        width(p.heads * p.head_width),
        query_rows(normal<T>(1, Shape<2>{p.batch * p.queries, width + 3})),
        key_rows(normal<T>(2, Shape<2>{p.batch * p.keys, 2 * width})),
        before_k(normal<T>(3, Shape<2>{(p.shared ? 1 : p.batch) * p.prefix, width})),
        before_v(normal<T>(4, Shape<2>{(p.shared ? 1 : p.batch) * p.prefix, width})),
        dy(normal<T>(5, Shape<2>{p.batch * p.queries, width})) {}

  [[nodiscard]] RowsView<T const> q() const { return columns(query_rows.cview(), 2, width); }
  [[nodiscard]] RowsView<T const> k() const { return columns(key_rows.cview(), 0, width); }
  [[nodiscard]] RowsView<T const> v() const { return columns(key_rows.cview(), width, width); }
  [[nodiscard]] KeyValuePrefix<T> prefix() const { return {before_k.cview(), before_v.cview(), p.prefix}; }
};

/// What a run of both passes leaves.
template <class T>
struct Result {
  using S = SumScalar<T>;
  Matrix<T> y, d_queries, d_keys;  // d_keys holds [dk | dv]
  Matrix<S> log_sums, prefix_k, prefix_v;
};

enum class Wanted { all, prefix_only };

template <class Exec, class T>
Result<T> both_passes(Exec const& exec, Attention<T> const& a, Wanted wanted = Wanted::all) {
  using S = SumScalar<T>;
  Result<T> r{Matrix<T>({a.q().rows, a.width}),   Matrix<T>({a.q().rows, a.width}),     Matrix<T>({a.k().rows, 2 * a.width}),
              Matrix<S>({a.q().rows, a.p.heads}), Matrix<S>::zeros(a.before_k.shape()), Matrix<S>::zeros(a.before_k.shape())};
  kernels::AttentionShape const shape{a.p.batch, a.p.heads};
  kernels::attention_with_log_sums(exec, a.q(), a.k(), a.v(), shape, a.prefix(), r.y.view(), r.log_sums);
  KeyValueGradient<S> const d_prefix{r.prefix_k, r.prefix_v, a.p.prefix};
  if (wanted == Wanted::all) {
    kernels::attention_backward(exec, a.q(), a.k(), a.v(), shape, a.prefix(), r.y.view(), r.log_sums.cview(), a.dy.view(), r.d_queries.view(), columns(r.d_keys.view(), 0, a.width),
                                columns(r.d_keys.view(), a.width, a.width), d_prefix);
  } else {
    kernels::attention_backward(exec, a.q(), a.k(), a.v(), shape, a.prefix(), r.y.view(), r.log_sums.cview(), a.dy.view(), {}, {}, {}, d_prefix);
  }
  return r;
}

template <class T>
Naive expected(Attention<T> const& a) {
  Problem const& p = a.p;
  Index const all = p.prefix + p.keys;
  auto const zeros = [](Shape<2> shape) { return Matrix<double>::zeros(shape); };
  Naive r{zeros(a.dy.shape()), zeros({a.dy.extent(0), p.heads}), zeros(a.dy.shape()), zeros({a.k().rows, a.width}), zeros({a.k().rows, a.width}), zeros(a.before_k.shape()), zeros(a.before_k.shape())};
  auto const wide = [](T value) { return test::widened(value); };
  double const scale = 1.0 / std::sqrt(static_cast<double>(p.head_width));
  for (Index b = 0; b < p.batch; ++b) {
    Index const prefix_row = p.shared ? 0 : b * p.prefix;
    auto const k = [&](Index j) { return j < p.prefix ? a.before_k.data() + (prefix_row + j) * a.width : a.k().row(b * p.keys + j - p.prefix); };
    auto const v = [&](Index j) { return j < p.prefix ? a.before_v.data() + (prefix_row + j) * a.width : a.v().row(b * p.keys + j - p.prefix); };
    auto const dk = [&](Index j) { return j < p.prefix ? r.prefix_k.data() + (prefix_row + j) * a.width : r.dk.data() + (b * p.keys + j - p.prefix) * a.width; };
    auto const dv = [&](Index j) { return j < p.prefix ? r.prefix_v.data() + (prefix_row + j) * a.width : r.dv.data() + (b * p.keys + j - p.prefix) * a.width; };
    for (Index h = 0; h < p.heads; ++h) {
      Index const begin = h * p.head_width;
      Index const end = begin + p.head_width;
      for (Index i = b * p.queries; i < (b + 1) * p.queries; ++i) {
        std::vector<double> weight(static_cast<std::size_t>(all), 0.0);
        std::vector<double> d_weight(static_cast<std::size_t>(all), 0.0);
        double sum = 0.0;
        for (Index j = 0; j < all; ++j) {
          auto const at = static_cast<std::size_t>(j);
          double score = 0.0;
          for (Index c = begin; c < end; ++c) {
            score += wide(a.q().row(i)[c]) * wide(k(j)[c]) * scale;
            d_weight[at] += wide(a.dy(i, c)) * wide(v(j)[c]);
          }
          sum += weight[at] = std::exp(score);
        }
        r.log_sums(i, h) = std::log(sum);
        double delta = 0.0;
        for (std::size_t j = 0; j < weight.size(); ++j) { delta += (weight[j] /= sum) * d_weight[j]; }
        for (Index j = 0; j < all; ++j) {
          auto const at = static_cast<std::size_t>(j);
          double const d_score = weight[at] * (d_weight[at] - delta) * scale;
          for (Index c = begin; c < end; ++c) {
            r.y(i, c) += weight[at] * wide(v(j)[c]);
            r.dq(i, c) += d_score * wide(k(j)[c]);
            dk(j)[c] += d_score * wide(a.q().row(i)[c]);
            dv(j)[c] += weight[at] * wide(a.dy(i, c));
          }
        }
      }
    }
  }
  return r;
}

template <class T>
Matrix<T> copied(RowsView<T const> rows) {
  Matrix<T> copy({rows.rows, rows.width});
  for (Index i = 0; i < rows.rows; ++i) { std::copy_n(rows.row(i), rows.width, copy[i].data()); }
  return copy;
}

std::vector<Problem> const problems{{1, 1, 1, 1, 1, 0},    {2, 3, 7, 7, 5, 4},    {3, 2, 7, 7, 5, 4, true}, {1, 2, 65, 65, 64, 0},   {2, 1, 1, 50, 64, 0},       {1, 2, 30, 197, 64, 5},
                                    {2, 2, 49, 33, 80, 0}, {1, 4, 25, 16, 16, 1}, {3, 1, 6, 100, 20, 10},   {1, 1, 100, 130, 24, 3}, {1, 1, 197, 20, 8, 2, true}};
}  // namespace

TEST_CASE_TEMPLATE("log sums are those of the scores, and the result has the bits of attention", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Problem const& problem : problems) {
      CAPTURE(problem.queries);
      CAPTURE(problem.keys);
      Attention<T> const a(problem);
      auto const got = both_passes(exec, a);
      CHECK(relative_difference(got.log_sums, expected(a).log_sums) <= tolerance<SumScalar<T>>(Kind::softmax));
      Matrix<T> y(got.y.shape());
      kernels::attention(exec, a.q(), a.k(), a.v(), {problem.batch, problem.heads}, a.prefix(), RowsView<T>(y.view()));
      CHECK(same_bits(y, got.y));
    }
  }
}

TEST_CASE_TEMPLATE("the gradients of attention equal their formulas for any numbers of queries, keys, heads and prefix rows", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    for (Problem const& problem : problems) {
      CAPTURE(problem.queries);
      CAPTURE(problem.keys);
      CAPTURE(problem.head_width);
      CAPTURE(problem.prefix);
      Attention<T> const a(problem);
      auto const got = both_passes(typename Case::Executor{.threads = threads}, a);
      auto const want = expected(a);
      bool const one_key = problem.prefix + problem.keys == 1;  // one weight, always 1: dq and dk are 0 but for rounding
      if (!one_key) {
        CHECK(relative_difference(got.d_queries, want.dq) <= tolerance<T>(Kind::gradient));
        CHECK(relative_difference(copied(columns(got.d_keys.cview(), 0, a.width)), want.dk) <= tolerance<T>(Kind::gradient));
      }
      CHECK(relative_difference(copied(columns(got.d_keys.cview(), a.width, a.width)), want.dv) <= tolerance<T>(Kind::gradient));
      if (problem.prefix > 0) {
        CHECK(relative_difference(got.prefix_k, want.prefix_k) <= tolerance<T>(Kind::gradient));
        CHECK(relative_difference(got.prefix_v, want.prefix_v) <= tolerance<T>(Kind::gradient));
      }
    }
  }
}

TEST_CASE_TEMPLATE("the gradients of attention are central differences of attention", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  for (bool const shared : {false, true}) {
    CAPTURE(shared);
    Attention<double> a({2, 2, 3, 4, 3, 2, shared});
    auto const got = both_passes(exec, a);
    auto const loss = [&] {
      Matrix<double> y(a.dy.shape());
      kernels::attention(exec, a.q(), a.k(), a.v(), {a.p.batch, a.p.heads}, a.prefix(), RowsView<double>(y.view()));
      double sum = 0.0;
      for (Index i = 0; i < y.size(); ++i) { sum += y.data()[i] * a.dy.data()[i]; }
      return sum;
    };
    auto const slopes = [&](Matrix<double>& parameters) {
      Matrix<double> result(parameters.shape());
      for (Index i = 0; i < parameters.size(); ++i) { result.data()[i] = slope(parameters.data()[i], loss); }
      return result;
    };
    auto const d_queries = slopes(a.query_rows);
    CHECK(relative_difference(got.d_queries, copied(columns(d_queries.cview(), 2, a.width))) <= tolerance<double>(Kind::differences));
    CHECK(relative_difference(got.d_keys, slopes(a.key_rows)) <= tolerance<double>(Kind::differences));
    CHECK(relative_difference(got.prefix_k, slopes(a.before_k)) <= tolerance<double>(Kind::differences));
    CHECK(relative_difference(got.prefix_v, slopes(a.before_v)) <= tolerance<double>(Kind::differences));
  }
}

TEST_CASE_TEMPLATE("prefix gradients alone are those of the whole, add up, and sum over the batch where they are shared", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  using S = SumScalar<T>;
  typename Case::Executor const exec;
  for (bool const shared : {false, true}) {
    CAPTURE(shared);
    Attention<T> const a({3, 2, 40, 50, 16, 5, shared});
    auto const whole = both_passes(exec, a);
    auto const alone = both_passes(exec, a, Wanted::prefix_only);
    CHECK(relative_difference(alone.prefix_k, in_scalar<double>(whole.prefix_k)) <= tolerance<S>(Kind::gradient));
    CHECK(relative_difference(alone.prefix_v, in_scalar<double>(whole.prefix_v)) <= tolerance<S>(Kind::gradient));

    // Twice into the same places, and each sequence's own part of a shared prefix.
    auto twice_k = alone.prefix_k;
    auto twice_v = alone.prefix_v;
    auto parts_k = Matrix<S>::zeros({3 * 5, a.width});
    auto parts_v = Matrix<S>::zeros({3 * 5, a.width});
    auto const run = [&](KeyValueGradient<S> const& d_prefix) {
      kernels::attention_backward(exec, a.q(), a.k(), a.v(), {3, 2}, a.prefix(), whole.y.view(), whole.log_sums.view(), a.dy.view(), {}, {}, {}, d_prefix);
    };
    run({twice_k, twice_v, 5});
    run({parts_k, parts_v, 5});
    auto want_k = in_scalar<double>(alone.prefix_k);
    auto want_v = in_scalar<double>(alone.prefix_v);
    for (double& value : want_k) { value *= 2.0; }
    for (double& value : want_v) { value *= 2.0; }
    CHECK(relative_difference(twice_k, want_k) <= tolerance<S>(Kind::sum));
    CHECK(relative_difference(twice_v, want_v) <= tolerance<S>(Kind::sum));
    if (!shared) {
      CHECK(same_bits(parts_k, alone.prefix_k));
      continue;
    }
    auto sum = Matrix<double>::zeros({5, a.width});
    for (Index i = 0; i < parts_k.size(); ++i) { sum.data()[i % sum.size()] += static_cast<double>(parts_k.data()[i]); }
    CHECK(relative_difference(alone.prefix_k, sum) <= tolerance<S>(Kind::sum));
  }
}

TEST_CASE_TEMPLATE("gradients of attention have the same bits with any threads, and a sequence's the same alone", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  for (Problem const& problem : {Problem{3, 2, 65, 65, 32, 0}, Problem{4, 2, 100, 50, 20, 3}, Problem{5, 1, 30, 30, 16, 4, true}}) {
    CAPTURE(problem.queries);
    Attention<T> const a(problem);
    auto const want = both_passes(typename Case::Executor{.threads = 1}, a);
    for (int const threads : {2, 3, 16}) {
      CAPTURE(threads);
      auto const got = both_passes(typename Case::Executor{.threads = threads}, a);
      CHECK(same_bits(got.log_sums, want.log_sums));
      CHECK(same_bits(got.d_queries, want.d_queries));
      CHECK(same_bits(got.d_keys, want.d_keys));
      CHECK(same_bits(got.prefix_k, want.prefix_k));
      CHECK(same_bits(got.prefix_v, want.prefix_v));
    }
    Index const last = problem.batch - 1;
    auto const part = [&](auto rows) { return decltype(rows)(rows.row(last * (rows.rows / problem.batch)), rows.rows / problem.batch, rows.width, rows.stride); };
    Index const prefix_row = problem.shared ? 0 : last * problem.prefix;
    KeyValuePrefix<T> const prefix{a.before_k.cview().slice(prefix_row, problem.prefix), a.before_v.cview().slice(prefix_row, problem.prefix), problem.prefix};
    Matrix<T> dq({problem.queries, a.width});
    Matrix<T> dk({problem.keys, a.width});
    Matrix<T> dv({problem.keys, a.width});
    Index const first = last * problem.queries;
    kernels::attention_backward(typename Case::Executor{}, part(a.q()), part(a.k()), part(a.v()), {1, problem.heads}, prefix, want.y.view().slice(first, problem.queries),
                                want.log_sums.view().slice(first, problem.queries), a.dy.view().slice(first, problem.queries), dq.view(), dk.view(), dv.view(), {});
    CHECK(same_bits(dq, want.d_queries.view().slice(first, problem.queries)));
    CHECK(same_bits(dk, copied(part(columns(want.d_keys.cview(), 0, a.width)))));
    CHECK(same_bits(dv, copied(part(columns(want.d_keys.cview(), a.width, a.width)))));
  }
}

TEST_CASE_TEMPLATE("the gradients of attention name extents that do not fit", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const q = Matrix<float>::zeros({4, 6});
  auto d = Matrix<float>::zeros({4, 6});
  auto sums = Matrix<float>::zeros({4, 2});
  auto narrow = Matrix<float>::zeros({4, 3});
  RowsView<float const> const rows(q.cview());
  auto const backward = [&](MatrixView<float const> log_sums, RowsView<float> dq, RowsView<float> dk, KeyValueGradient<float> const& d_prefix = {}) {
    kernels::attention_backward(Exec{}, rows, rows, rows, {2, 2}, {}, rows, log_sums, rows, dq, dk, dk, d_prefix);
  };
  CHECK_THROWS_AS(kernels::attention_with_log_sums(Exec{}, rows, rows, rows, {2, 2}, {}, d.view(), narrow), ShapeError);
  CHECK_THROWS_AS(kernels::attention_with_log_sums(Exec{}, rows, rows, rows, {3, 2}, {}, d.view(), sums), ShapeError);
  CHECK_THROWS_WITH_AS(backward(narrow, d.view(), d.view()), doctest::Contains("4, 3, 4, 2"), ShapeError);
  CHECK_THROWS_AS(backward(sums, narrow.view(), d.view()), ShapeError);
  CHECK_THROWS_AS(backward(sums, d.view(), narrow.view()), ShapeError);
  CHECK_THROWS_AS(backward(sums, d.view(), {}), ShapeError);
  CHECK_THROWS_AS(backward(sums, d.view(), d.view(), {d, d, 2}), ShapeError);
  backward(sums, d.view(), d.view());
}

}  // namespace accrete::test::attention_backward_test
