#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/attention.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace accrete::test::attention_test {
namespace {

enum class Prefix { none, shared, own };

struct Sizes {
  Index batch, queries, keys, heads, width, prefix;
};

/// q, k and v of one call, on the host.
template <class T>
struct Inputs {
  Matrix<T> q, k, v, prefix_k, prefix_v;

  Inputs(Sizes size, Prefix prefix)
      : q(normal<T>(30, Shape<2>{size.batch * size.queries, size.width})),
        k(normal<T>(31, Shape<2>{size.batch * size.keys, size.width})),
        v(normal<T>(32, Shape<2>{size.batch * size.keys, size.width})),
        prefix_k(normal<T>(33, Shape<2>{prefix == Prefix::none ? 0 : (prefix == Prefix::own ? size.batch : 1) * size.prefix, size.width})),
        prefix_v(normal<T>(34, prefix_k.shape())) {}
};

template <class T>
Matrix<double> reference(Inputs<T> const& in, Sizes size) {
  Index const head_width = size.width / size.heads;
  Index const prefix_step = in.prefix_k.extent(0) == size.prefix ? 0 : size.prefix;
  Index const prefix = in.prefix_k.empty() ? 0 : size.prefix;
  Matrix<double> y({size.batch * size.queries, size.width});
  for (Index row = 0; row < y.extent(0); ++row) {
    Index const sequence = row / size.queries;
    for (Index head = 0; head < size.heads; ++head) {
      auto const element = [&](Matrix<T> const& own, Matrix<T> const& front, Index key, Index column) {
        auto const value = key < prefix ? front(sequence * prefix_step + key, column) : own(sequence * size.keys + key - prefix, column);
        if constexpr (std::is_same_v<T, bfloat16>) {
          return static_cast<double>(to_float(value));
        } else {
          return static_cast<double>(value);
        }
      };
      auto const query = [&](Index column) {
        if constexpr (std::is_same_v<T, bfloat16>) {
          return static_cast<double>(to_float(in.q(row, column)));
        } else {
          return static_cast<double>(in.q(row, column));
        }
      };
      std::vector<double> weight;
      double largest = -std::numeric_limits<double>::infinity();
      for (Index key = 0; key < prefix + size.keys; ++key) {
        double score = 0;
        for (Index c = head * head_width; c < (head + 1) * head_width; ++c) { score += query(c) * element(in.k, in.prefix_k, key, c); }
        weight.push_back(score / std::sqrt(static_cast<double>(head_width)));
        largest = std::max(largest, weight.back());
      }
      double total = 0;
      for (double& score : weight) { total += score = std::exp(score - largest); }
      for (Index c = head * head_width; c < (head + 1) * head_width; ++c) {
        double sum = 0;
        for (Index key = 0; key < prefix + size.keys; ++key) { sum += weight[static_cast<std::size_t>(key)] * element(in.v, in.prefix_v, key, c); }
        y(row, c) = sum / total;
      }
    }
  }
  return y;
}

template <class T, class Exec>
Matrix<T> run(Exec const& exec, Inputs<T> const& in, Sizes size) {
  auto const q = on_device(exec, in.q);
  auto const k = on_device(exec, in.k);
  auto const v = on_device(exec, in.v);
  auto const prefix_k = on_device(exec, in.prefix_k);
  auto const prefix_v = on_device(exec, in.prefix_v);
  Matrix<T, typename Exec::Memory> y(in.q.shape());
  kernels::KeyValuePrefix<T> const prefix{prefix_k.view(), prefix_v.view(), in.prefix_k.empty() ? 0 : size.prefix};
  kernels::attention(exec, RowsView<T const>(q.view()), k.view(), v.view(), {.batch = size.batch, .heads = size.heads}, prefix, RowsView<T>(y.view()));
  return on_host(exec, y);
}
}  // namespace

TEST_CASE_TEMPLATE("device attention equals softmax(q k^T / sqrt d) v, with and without a prefix", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  // Few keys and many, heads narrower than a strip, no multiple of one, and wider than one pass over the keys.
  for (Sizes const size : {Sizes{2, 5, 5, 2, 10, 3}, Sizes{1, 1, 65, 3, 192, 20}, Sizes{3, 17, 17, 1, 64, 1}, Sizes{2, 3, 40, 1, 144, 5}, Sizes{1, 2, 1, 4, 160, 16}}) {
    CAPTURE(size.keys);
    CAPTURE(size.width);
    for (Prefix const prefix : {Prefix::none, Prefix::shared, Prefix::own}) {
      CAPTURE(static_cast<int>(prefix));
      Inputs<double> const in_double(size, prefix);
      CHECK(relative_difference(run(exec, in_double, size), reference(in_double, size)) <= tolerance<double>(Kind::attention));
      Inputs<float> const in_float(size, prefix);
      CHECK(relative_difference(run(exec, in_float, size), reference(in_float, size)) <= tolerance<float>(Kind::attention));
      Inputs<bfloat16> const narrow(size, prefix);
      CHECK(relative_difference(run(exec, narrow, size), reference(narrow, size)) <= tolerance<bfloat16>(Kind::elementwise));
    }
  }
}

TEST_CASE_TEMPLATE("device attention survives scores of a thousand", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  Sizes const size{1, 6, 33, 1, 16, 0};
  Inputs<float> in(size, Prefix::none);
  for (float& value : in.k) { value *= 300.0F; }
  auto const y = run(exec, in, size);
  CHECK(relative_difference(y, reference(in, size)) <= 1000.0 * tolerance<float>(Kind::elementwise));  // exp(x) carries |x| u, table row softmax
}

TEST_CASE_TEMPLATE("device attention reads q, k and v out of one matrix", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  Sizes const size{2, 9, 9, 2, 32, 0};
  Inputs<float> const in(size, Prefix::none);
  Matrix<float> together({18, 96});
  for (Index i = 0; i < 18; ++i) {
    for (Index j = 0; j < 32; ++j) {
      together(i, j) = in.q(i, j);
      together(i, 32 + j) = in.k(i, j);
      together(i, 64 + j) = in.v(i, j);
    }
  }
  auto const there = on_device(exec, together);
  Matrix<float, typename Exec::Memory> y({18, 32});
  kernels::attention(exec, columns(there.view(), 0, 32), columns(there.view(), 32, 32), columns(there.view(), 64, 32), {.batch = 2, .heads = 2}, {}, RowsView<float>(y.view()));
  CHECK(same_bits(on_host(exec, y), run(exec, in, size)));
}

TEST_CASE_TEMPLATE("device attention of a sequence, and of one of its queries, does not depend on the rest", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  Sizes const size{5, 21, 21, 2, 48, 0};
  Inputs<float> const in(size, Prefix::none);
  auto const all = run(exec, in, size);
  for (Index sequence = 0; sequence < 5; ++sequence) {
    std::vector<Index> rows(21);
    for (Index i = 0; i < 21; ++i) { rows[static_cast<std::size_t>(i)] = sequence * 21 + i; }
    Inputs<float> alone(Sizes{1, 21, 21, 2, 48, 0}, Prefix::none);
    alone.q = chosen_rows(in.q, rows);
    alone.k = chosen_rows(in.k, rows);
    alone.v = chosen_rows(in.v, rows);
    CHECK(same_bits(run(exec, alone, {1, 21, 21, 2, 48, 0}), chosen_rows(all, rows)));
    alone.q = chosen_rows(in.q, {sequence * 21 + 4});
    CHECK(same_bits(run(exec, alone, {1, 1, 21, 2, 48, 0}), chosen_rows(all, {sequence * 21 + 4})));
  }
}

}  // namespace accrete::test::attention_test
