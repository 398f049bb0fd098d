#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/nn/compensated_attention.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>
#include <utility>

namespace accrete::test::compensated_attention_test {

namespace {

constexpr Index batch = 2;
constexpr Index heads = 2;
constexpr Index width = 6;
constexpr Index queries = 3;
constexpr Index tokens = 4;
constexpr Index length = 2;

template <class T>
struct Operands {
  Matrix<T> q = random_matrix<T>(batch * queries, width, 1);
  Matrix<T> k = random_matrix<T>(batch * tokens, width, 2);
  Matrix<T> v = random_matrix<T>(batch * tokens, width, 3);
  Matrix<T> prefix_k;
  Matrix<T> prefix_v;

  explicit Operands(bool shared) : prefix_k(random_matrix<T>(shared ? length : batch * length, width, 4)), prefix_v(random_matrix<T>(prefix_k.extent(0), width, 5)) {}

  [[nodiscard]] Index prefix_row(Index b, Index p) const { return prefix_k.extent(0) == length ? p : b * length + p; }

  /// By the definition: softmax over everything, then the prefix's weights divided by their sum.
  [[nodiscard]] Matrix<double> expected() const {
    auto y = Matrix<double>::zeros({batch * queries, width});
    Index const each = width / heads;
    for (Index row = 0; row < y.extent(0); ++row) {
      Index const b = row / queries;
      for (Index h = 0; h < heads; ++h) {
        auto const score = [&](Matrix<T> const& keys, Index at) {
          double sum = 0;
          for (Index c = h * each; c < (h + 1) * each; ++c) { sum += static_cast<double>(q(row, c)) * static_cast<double>(keys(at, c)); }
          return std::exp(sum / std::sqrt(static_cast<double>(each)));
        };
        double own = 0;
        double prefix = 0;
        for (Index j = 0; j < tokens; ++j) { own += score(k, b * tokens + j); }
        for (Index p = 0; p < length; ++p) { prefix += score(prefix_k, prefix_row(b, p)); }
        for (Index c = h * each; c < (h + 1) * each; ++c) {
          for (Index j = 0; j < tokens; ++j) { y(row, c) += score(k, b * tokens + j) / (own + prefix) * static_cast<double>(v(b * tokens + j, c)); }
          for (Index p = 0; p < length; ++p) { y(row, c) += score(prefix_k, prefix_row(b, p)) / prefix * static_cast<double>(prefix_v(prefix_row(b, p), c)); }
        }
      }
    }
    return y;
  }
};

template <class Exec, class T, class Use>
void with_attention(Exec const& exec, Operands<T> const& o, Use const& use) {
  ScratchPool<HostMemory> const scratch;
  kernels::KeyValuePrefix<T> const prefix{o.prefix_k.cview(), o.prefix_v.cview(), length, true};
  use(nn::CompensatedAttention<Exec, T>(exec, RowsView<T const>(o.q.cview()), RowsView<T const>(o.k.cview()), RowsView<T const>(o.v.cview()), {.batch = batch, .heads = heads}, prefix, scratch));
}

}  // namespace

TEST_CASE("the weights of a compensated prefix sum to one beside the others: scores (0, log 2, 0) and values (1, 10, 3) give 11, not 6") {
  HostExecutor<> const exec;
  ScratchPool<HostMemory> const scratch;
  Matrix<float> q({1, 1});
  q(0, 0) = 1.0F;
  auto const k = Matrix<float>::zeros({2, 1});
  Matrix<float> v({2, 1});
  v(0, 0) = 1.0F;
  v(1, 0) = 3.0F;
  Matrix<float> prefix_k({1, 1});
  prefix_k(0, 0) = static_cast<float>(std::log(2.0));
  Matrix<float> prefix_v({1, 1});
  prefix_v(0, 0) = 10.0F;
  Matrix<float> y({1, 1});
  auto const run = [&](bool compensated) {
    kernels::KeyValuePrefix<float> const prefix{prefix_k.cview(), prefix_v.cview(), 1, compensated};
    if (compensated) {
      nn::CompensatedAttention<HostExecutor<>, float>(exec, RowsView<float const>(q.cview()), RowsView<float const>(k.cview()), RowsView<float const>(v.cview()), {}, prefix, scratch)
          .forward(RowsView<float>(y.view()));
    } else {
      kernels::attention(exec, RowsView<float const>(q.cview()), RowsView<float const>(k.cview()), RowsView<float const>(v.cview()), {}, prefix, RowsView<float>(y.view()));
    }
    return y(0, 0);
  };
  CHECK(run(false) == doctest::Approx(6.0).epsilon(tolerance<float>(Kind::attention)));
  CHECK(run(true) == doctest::Approx(11.0).epsilon(tolerance<float>(Kind::attention)));
  kernels::KeyValuePrefix<float> const asked_of_the_kernel{prefix_k.cview(), prefix_v.cview(), 1, true};
  CHECK_THROWS_AS(kernels::attention(exec, RowsView<float const>(q.cview()), RowsView<float const>(k.cview()), RowsView<float const>(v.cview()), {}, asked_of_the_kernel, RowsView<float>(y.view())),
                  ShapeError);
}

TEST_CASE_TEMPLATE("compensated attention is what the definition gives, for a prefix of all and for one of each sequence", On, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename On::Scalar;
  typename On::Executor const exec{.threads = 2, .precision = std::is_same_v<T, double> ? Precision::float64 : Precision::float32};
  for (bool const shared : {true, false}) {
    Operands<T> const o(shared);
    Matrix<T> y({batch * queries, width});
    with_attention(exec, o, [&](auto const& attention) { attention.forward(RowsView<T>(y.view())); });
    CHECK(relative_difference(y, o.expected()) <= tolerance<T>(Kind::attention));
  }
}

TEST_CASE_TEMPLATE("its gradients are central differences of the definition", On, ACCRETE_HOST_SCALARS(double)) {
  using Exec = typename On::Executor;
  Exec const exec{.threads = 2, .precision = Precision::float64};
  for (bool const shared : {true, false}) {
    Operands<double> o(shared);
    auto const dy = random_matrix<double>(batch * queries, width, 6);
    Matrix<double> y({batch * queries, width});
    Matrix<double> log_sums({batch * queries, heads});
    Matrix<double> dq(o.q.shape());
    Matrix<double> dk(o.k.shape());
    Matrix<double> dv(o.v.shape());
    auto d_prefix_k = Matrix<double>::zeros(o.prefix_k.shape());
    auto d_prefix_v = Matrix<double>::zeros(o.prefix_v.shape());
    auto only_k = Matrix<double>::zeros(o.prefix_k.shape());
    auto only_v = Matrix<double>::zeros(o.prefix_v.shape());
    with_attention(exec, o, [&](auto const& attention) {
      attention.forward(RowsView<double>(y.view()), log_sums.view());
      RowsView<double const> const d(dy.cview());
      attention.backward(log_sums.cview(), d, RowsView<double>(dq.view()), RowsView<double>(dk.view()), RowsView<double>(dv.view()), {d_prefix_k.view(), d_prefix_v.view(), length});
      attention.backward(log_sums.cview(), d, {}, {}, {}, {only_k.view(), only_v.view(), length});
    });
    auto const check = [&](Matrix<double>& operand, Matrix<double> const& got) {
      Matrix<double> want(operand.shape());
      for (Index i = 0; i < operand.size(); ++i) {
        auto const at = [&](double step) {
          double const before = std::exchange(operand.data()[i], operand.data()[i] + step);
          auto const result = o.expected();
          operand.data()[i] = before;
          double sum = 0;
          for (Index n = 0; n < result.size(); ++n) { sum += result.data()[n] * dy.data()[n]; }
          return sum;
        };
        double const h = 1e-3;
        want.data()[i] = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      }
      CHECK(relative_difference(got, want) <= tolerance<double>(Kind::differences));
    };
    check(o.q, dq);
    check(o.k, dk);
    check(o.v, dv);
    check(o.prefix_k, d_prefix_k);
    check(o.prefix_v, d_prefix_v);
    check(o.prefix_k, only_k);
    check(o.prefix_v, only_v);
  }
}

}  // namespace accrete::test::compensated_attention_test
