#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/attention.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace accrete::test::attention_backward_test {
namespace {

enum class Prefix { none, shared, own };

struct Sizes {
  Index batch, queries, keys, heads, width, prefix;
};

template <class T>
struct Inputs {
  Matrix<T> q, k, v, dy, prefix_k, prefix_v;

  Inputs(Sizes size, Prefix prefix)
      : q(normal<T>(250, Shape<2>{size.batch * size.queries, size.width})),
        k(normal<T>(251, Shape<2>{size.batch * size.keys, size.width})),
        v(normal<T>(252, Shape<2>{size.batch * size.keys, size.width})),
        dy(normal<T>(253, Shape<2>{size.batch * size.queries, size.width})),
        prefix_k(normal<T>(254, Shape<2>{prefix == Prefix::none ? 0 : (prefix == Prefix::own ? size.batch : 1) * size.prefix, size.width})),
        prefix_v(normal<T>(255, prefix_k.shape())) {}
};

template <class T>
struct Gradients {
  Matrix<T> q, k, v;
  Matrix<double> prefix_k, prefix_v;
  Matrix<double> log_sums;
};

/// The weights are written out and the softmax goes backwards by its Jacobian.
template <class T>
Gradients<double> reference(Inputs<T> const& in, Sizes size) {
  Index const head_width = size.width / size.heads;
  Index const prefix = in.prefix_k.empty() ? 0 : size.prefix;
  Index const step = in.prefix_k.extent(0) == size.prefix ? 0 : size.prefix;
  auto const zeros = [](Shape<2> shape) { return Matrix<double>::zeros(shape); };
  Gradients<double> out{zeros(in.q.shape()), zeros(in.k.shape()), zeros(in.k.shape()), zeros(in.prefix_k.shape()), zeros(in.prefix_k.shape()), zeros({in.q.extent(0), size.heads})};
  double const scale = 1.0 / std::sqrt(static_cast<double>(head_width));
  auto const count = static_cast<std::size_t>(prefix + size.keys);
  for (Index row = 0; row < in.q.extent(0); ++row) {
    Index const sequence = row / size.queries;
    for (Index head = 0; head < size.heads; ++head) {
      auto const place = [&](auto& own, auto& front, std::size_t key, Index c) -> auto& {
        auto const number = static_cast<Index>(key);
        return number < prefix ? front(sequence * step + number, head * head_width + c) : own(sequence * size.keys + number - prefix, head * head_width + c);
      };
      std::vector<double> weight(count);
      std::vector<double> d_weight(count);
      double total = 0;
      double mean = 0;
      for (std::size_t key = 0; key < count; ++key) {
        double score = 0;
        for (Index c = 0; c < head_width; ++c) {
          score += widened(in.q(row, head * head_width + c)) * widened(place(in.k, in.prefix_k, key, c));
          d_weight[key] += widened(in.dy(row, head * head_width + c)) * widened(place(in.v, in.prefix_v, key, c));
        }
        total += weight[key] = std::exp(scale * score);
      }
      out.log_sums(row, head) = std::log(total);
      for (std::size_t key = 0; key < count; ++key) { mean += (weight[key] /= total) * d_weight[key]; }
      for (std::size_t key = 0; key < count; ++key) {
        double const d_score = scale * weight[key] * (d_weight[key] - mean);
        for (Index c = 0; c < head_width; ++c) {
          out.q(row, head * head_width + c) += d_score * widened(place(in.k, in.prefix_k, key, c));
          place(out.k, out.prefix_k, key, c) += d_score * widened(in.q(row, head * head_width + c));
          place(out.v, out.prefix_v, key, c) += weight[key] * widened(in.dy(row, head * head_width + c));
        }
      }
    }
  }
  return out;
}

/// Forward and backward on the executor. dq, dk and dv are column ranges of one matrix where they have one number of rows.
/// @param below  whether anything below learns
template <class T, class Exec>
Gradients<T> run(Exec const& exec, Inputs<T> const& in, Sizes size, double before, bool below = true) {
  using Sum = SumScalar<T>;
  using Memory = typename Exec::Memory;
  auto const q = on_device(exec, in.q);
  auto const k = on_device(exec, in.k);
  auto const v = on_device(exec, in.v);
  auto const dy = on_device(exec, in.dy);
  auto const prefix_k = on_device(exec, in.prefix_k);
  auto const prefix_v = on_device(exec, in.prefix_v);
  kernels::KeyValuePrefix<T> const prefix{prefix_k.cview(), prefix_v.cview(), in.prefix_k.empty() ? 0 : size.prefix};
  kernels::AttentionShape const shape{.batch = size.batch, .heads = size.heads};
  Matrix<T, Memory> y(in.q.shape());
  Matrix<T, Memory> plain(in.q.shape());
  Matrix<Sum, Memory> log_sums({in.q.extent(0), size.heads});
  RowsView<T const> const queries(q.cview());
  kernels::attention_with_log_sums(exec, queries, k.cview(), v.cview(), shape, prefix, y.view(), log_sums.view());
  kernels::attention(exec, queries, k.cview(), v.cview(), shape, prefix, RowsView<T>(plain.view()));
  CHECK(same_bits(on_host(exec, y), on_host(exec, plain)));

  Matrix<Sum> given(in.prefix_k.shape());
  std::fill(given.begin(), given.end(), static_cast<Sum>(before));
  auto d_prefix_k = on_device(exec, given);
  auto d_prefix_v = on_device(exec, given);
  kernels::KeyValueGradient<Sum> const d_prefix{d_prefix_k.view(), d_prefix_v.view(), prefix.length};
  auto const poison = normal<T>(256, Shape<2>{std::max(in.q.extent(0), in.k.extent(0)), 3 * size.width});
  auto d = on_device(exec, poison);
  auto const rows_of = [&](Index first, Index rows) { return below ? RowsView<T>(d.data() + first * size.width, rows, size.width, 3 * size.width) : RowsView<T>(); };
  kernels::attention_backward(exec, queries, k.cview(), v.cview(), shape, prefix, y.cview(), log_sums.cview(), dy.cview(), rows_of(0, in.q.extent(0)), rows_of(1, in.k.extent(0)),
                              rows_of(2, in.k.extent(0)), d_prefix);
  auto const all = on_host(exec, d);
  if (!below) { CHECK(same_bits(all, poison)); }
  auto const part = [&](Index first, Shape<2> extents) {
    Matrix<T> some(extents);
    for (Index i = 0; i < some.extent(0); ++i) {
      for (Index j = 0; j < size.width; ++j) { some(i, j) = all(i, first * size.width + j); }
    }
    return some;
  };
  auto const taken_off = [&](Matrix<Sum, Memory> const& there) {
    auto wide = in_scalar<double>(on_host(exec, there));
    for (double& value : wide) { value -= before; }
    return wide;
  };
  return {part(0, in.q.shape()), part(1, in.k.shape()), part(2, in.k.shape()), taken_off(d_prefix_k), taken_off(d_prefix_v), in_scalar<double>(on_host(exec, log_sums))};
}

template <class T, class Exec>
void check_gradients(Exec const& exec, Sizes size, Prefix prefix) {
  Inputs<T> const in(size, prefix);
  auto const want = reference(in, size);
  auto const got = run(exec, in, size, 0.5);
  // bfloat16 rounds y, which delta is made of, and the weights where the processor multiplies pairs.
  double const allowed = tolerance<T>(Kind::attention);
  CHECK(relative_difference(got.log_sums, want.log_sums) <= allowed);
  CHECK(relative_difference(got.q, want.q) <= allowed);
  CHECK(relative_difference(got.k, want.k) <= allowed);
  CHECK(relative_difference(got.v, want.v) <= allowed);
  CHECK(relative_difference(got.prefix_k, want.prefix_k) <= allowed);
  CHECK(relative_difference(got.prefix_v, want.prefix_v) <= allowed);
  if (prefix == Prefix::none) { return; }
  auto const alone = run(exec, in, size, 0.5, false);
  CHECK(same_bits(alone.prefix_k, got.prefix_k));
  CHECK(same_bits(alone.prefix_v, got.prefix_v));
}
}  // namespace

TEST_CASE_TEMPLATE("device attention goes backwards by the Jacobian of its softmax", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Sizes const size : {Sizes{2, 5, 5, 2, 10, 3}, Sizes{3, 2, 70, 1, 64, 5}, Sizes{1, 67, 67, 2, 128, 4}, Sizes{2, 3, 9, 1, 144, 5}}) {
    CAPTURE(size.keys);
    CAPTURE(size.width);
    for (Prefix const prefix : {Prefix::none, Prefix::shared, Prefix::own}) {
      CAPTURE(static_cast<int>(prefix));
      check_gradients<double>(exec, size, prefix);
      check_gradients<float>(exec, size, prefix);
      check_gradients<bfloat16>(exec, size, prefix);
    }
  }
}

TEST_CASE_TEMPLATE("device gradients of a sequence do not depend on the rest of the batch", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  Sizes const size{4, 9, 9, 2, 48, 0};
  Inputs<float> const in(size, Prefix::none);
  auto const all = run(exec, in, size, 0.0);
  for (Index sequence = 0; sequence < 4; ++sequence) {
    std::vector<Index> rows(9);
    for (Index i = 0; i < 9; ++i) { rows[static_cast<std::size_t>(i)] = sequence * 9 + i; }
    Sizes const one{1, 9, 9, 2, 48, 0};
    Inputs<float> alone(one, Prefix::none);
    alone.q = chosen_rows(in.q, rows);
    alone.k = chosen_rows(in.k, rows);
    alone.v = chosen_rows(in.v, rows);
    alone.dy = chosen_rows(in.dy, rows);
    auto const got = run(exec, alone, one, 0.0);
    CHECK(same_bits(got.q, chosen_rows(all.q, rows)));
    CHECK(same_bits(got.k, chosen_rows(all.k, rows)));
    CHECK(same_bits(got.v, chosen_rows(all.v, rows)));
  }
}

}  // namespace accrete::test::attention_backward_test
