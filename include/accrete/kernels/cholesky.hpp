#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/symmetric.hpp>

#include <concepts>
#include <optional>
#include <utility>

namespace accrete::kernels {

/// The triangular factor of A = L L^T on tiles, with the inverses of its 48 x 48 diagonal blocks, so that solving is products only.
template <class T>
struct CholeskyFactor {
  SymmetricMatrix<T> lower;
  Vector<T> inverses;  ///< [blocks, 48, 48], element (r, c) of a block at c * 48 + r

  [[nodiscard]] Index order() const { return lower.order(); }
  [[nodiscard]] T* inverse(Index block) { return inverses.data() + block * TriangleTiles::panel * TriangleTiles::panel; }
  [[nodiscard]] T const* inverse(Index block) const { return inverses.data() + block * TriangleTiles::panel * TriangleTiles::panel; }
};

namespace detail {
template <class Exec>
concept RunsCholesky = requires(Exec const& exec, SymmetricMatrix<double> a, CholeskyFactor<double> const& factor, MatrixView<double> x) {
  { cholesky_on(exec, std::move(a)) } -> std::same_as<std::optional<CholeskyFactor<double>>>;
  solve_lower_on(exec, factor, x);
};

struct CholeskyFn {
  template <class Exec>
  [[nodiscard]] std::optional<CholeskyFactor<double>> operator()(Exec const& exec, SymmetricMatrix<double> a) const {
    static_assert(RunsCholesky<Exec>, "kernels::cholesky has no body for this executor");
    expects(a.order() > 0, "cholesky", "the matrix must not be empty", a.order());
    return cholesky_on(exec, std::move(a));
  }
};

struct SolveLowerFn {
  template <class Exec>
  void operator()(Exec const& exec, CholeskyFactor<double> const& factor, MatrixView<double> x) const {
    static_assert(RunsCholesky<Exec>, "kernels::solve_lower has no body for this executor");
    expects(x.extent(0) == factor.order(), "solve_lower", "the right-hand sides must have the order of the factor", x.extent(0), factor.order());
    if (!x.empty()) { solve_lower_on(exec, factor, x); }
  }
};
}  // namespace detail

/// The factor L of A = L L^T; nothing where A is not positive definite in float64.
/// @param[in] a [n, n] host memory, taken over; only the lower triangle is read
/// Cost: n^3 / 3 flop.  Deterministic for any number of threads.
inline constexpr detail::CholeskyFn cholesky{};

/// x <- L^-1 x for many right-hand sides at once, so that x^T x becomes x^T A^-1 x.
/// A column's result depends on that column alone, bit for bit.
/// @param[in,out] x [n, columns] host memory
/// @throws ShapeError  when x has not the order of the factor
/// Cost: n^2 * columns flop
inline constexpr detail::SolveLowerFn solve_lower{};

}  // namespace accrete::kernels
