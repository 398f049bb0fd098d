#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/symmetric.hpp>

namespace accrete::kernels {

/// How a ridge system was solved.
struct RidgeSolution {
  static constexpr double largest_residual = 1e-13;  ///< weights with a larger one are no solution

  bool solved = false;          ///< false: not positive definite in float64, or the residual stayed too large
  bool float64_factor = false;  ///< whether the float32 factor was given up
  int refinements = 0;          ///< rounds of correction after the first solve
  double residual = 0.0;        ///< largest |Q - (G + ridge I) W| / (|G + ridge I| |W| + |Q|) over the columns (norms: Frobenius, Euclid)
};

namespace detail {
template <class Exec>
concept RunsRidgeSolve = requires(Exec const& exec, SymmetricView<double const> gram, MatrixView<double const> sums, MatrixView<double> weights) {
  { ridge_solve_on(exec, gram, 1.0, sums, weights) } -> std::same_as<RidgeSolution>;
  { ridge_residual_on(exec, gram, 1.0, sums, weights) } -> std::same_as<double>;
};

struct RidgeSolveFn {
  template <class Exec>
  [[nodiscard]] RidgeSolution operator()(Exec const& exec, SymmetricView<double const> gram, double ridge, MatrixView<double const> sums, MatrixView<double> weights) const {
    static_assert(RunsRidgeSolve<Exec>, "kernels::ridge_solve has no body for this executor");
    expects(ridge >= 0.0, "ridge_solve", "the ridge must not be negative", ridge);
    expects(sums.extent(1) == gram.order(), "ridge_solve", "the sums must be [C, M]", sums.extent(0), sums.extent(1), gram.order());
    expects(weights.shape() == sums.shape(), "ridge_solve", "weights and sums must have one shape", weights.extent(0), weights.extent(1), sums.extent(0), sums.extent(1));
    if (sums.empty()) { return {.solved = true}; }
    return ridge_solve_on(exec, gram, ridge, sums, weights);
  }
};

struct RidgeResidualFn {
  template <class Exec>
  [[nodiscard]] double operator()(Exec const& exec, SymmetricView<double const> gram, double ridge, MatrixView<double const> sums, MatrixView<double const> weights) const {
    static_assert(RunsRidgeSolve<Exec>, "kernels::ridge_residual has no body for this executor");
    expects(sums.extent(1) == gram.order() && weights.shape() == sums.shape(), "ridge_residual", "sums and weights must be [C, M]", sums.extent(0), sums.extent(1), weights.extent(0),
            weights.extent(1));
    return sums.empty() ? 0.0 : ridge_residual_on(exec, gram, ridge, sums, weights);
  }
};
}  // namespace detail

/// Solves (G + ridge I) w_c = q_c for every class c: Cholesky in float32, corrected in float64 until the residual is at float64's rounding;
/// where that does not converge, Cholesky in float64.
/// @param[in]  gram G [M, M] tiled, symmetric positive semidefinite;  @param[in] sums q [C, M];  @param[out] weights w [C, M]; host memory
/// @returns    how it went; `weights` are meaningless when not `solved`
/// @throws     ShapeError when the extents do not fit or the ridge is negative or NaN
/// Cost: M^3 / 3 flop and M^2 / 2 floats; a float64 factor costs twice as much of both.  Deterministic for any number of threads.
inline constexpr detail::RidgeSolveFn ridge_solve{};

/// The residual of weights from elsewhere, measured as `RidgeSolution::residual` is; infinite when something is not a number.
/// Cost: 2 M^2 C flop
inline constexpr detail::RidgeResidualFn ridge_residual{};

}  // namespace accrete::kernels
