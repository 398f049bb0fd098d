#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/symmetric.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace accrete::kernels {

/// A symmetric matrix A = Z B Z^T with orthogonal Z and a band B, found once and used for many shifts: (A + s I)^-1 = Z (B + s I)^-1 Z^T.
struct SymmetricBand {
  static constexpr Index width = TriangleTiles::panel;  ///< B(i, j) = 0 where |i - j| > width

  /// I - V T V^T: what takes one column of blocks to the band. V starts at row `first`.
  struct Reflector {
    Index first = 0;
    Matrix<double> v;  ///< [rows, width], zero beyond the order
    Matrix<double> t;  ///< [width, width] upper triangular
  };

  Index order = 0;
  Matrix<double> band;                ///< [order, width + 1]: entry (i, k) is B(i, i - width + k); zero left of the matrix
  std::vector<Reflector> reflectors;  ///< Z is their product, first to last
};

/// L L^T = B + s I, in the layout of the band.
struct BandFactor {
  Matrix<double> lower;  ///< [order, width + 1]
};

/// Which way a product of reflectors is applied.
enum class Rotation { into_band, out_of_band };

namespace detail {
template <class Exec>
concept RunsSymmetricBand = requires(Exec const& exec, SymmetricMatrix<double> a, SymmetricBand const& form, BandFactor const& factor, MatrixView<double> x) {
  { reduce_to_band_on(exec, std::move(a)) } -> std::same_as<SymmetricBand>;
  rotate_on(exec, form, Rotation::into_band, x);
  { factor_band_on(exec, form, 1.0) } -> std::same_as<std::optional<BandFactor>>;
  solve_band_lower_on(exec, factor, x);
  solve_band_on(exec, factor, x);
  { band_inverse_trace_on(exec, factor) } -> std::same_as<double>;
};

struct ReduceToBandFn {
  template <class Exec>
  [[nodiscard]] SymmetricBand operator()(Exec const& exec, SymmetricMatrix<double> a) const {
    static_assert(RunsSymmetricBand<Exec>, "kernels::reduce_to_band has no body for this executor");
    expects(a.order() > 0, "reduce_to_band", "the matrix must not be empty", a.order());
    return reduce_to_band_on(exec, std::move(a));
  }
};

struct RotateFn {
  template <class Exec>
  void operator()(Exec const& exec, SymmetricBand const& form, Rotation rotation, MatrixView<double> x) const {
    static_assert(RunsSymmetricBand<Exec>, "kernels::rotate has no body for this executor");
    expects(x.extent(0) == form.order, "rotate", "x must have as many rows as the order", x.extent(0), form.order);
    if (!x.empty()) { rotate_on(exec, form, rotation, x); }
  }
};

struct FactorBandFn {
  template <class Exec>
  [[nodiscard]] std::optional<BandFactor> operator()(Exec const& exec, SymmetricBand const& form, double shift) const {
    static_assert(RunsSymmetricBand<Exec>, "kernels::factor_band has no body for this executor");
    return factor_band_on(exec, form, shift);
  }
};

struct SolveBandFn {
  template <class Exec>
  void operator()(Exec const& exec, BandFactor const& factor, MatrixView<double> x) const {
    static_assert(RunsSymmetricBand<Exec>, "kernels::solve_band has no body for this executor");
    expects(x.extent(0) == factor.lower.extent(0), "solve_band", "x must have as many rows as the order", x.extent(0), factor.lower.extent(0));
    if (!x.empty()) { solve_band_on(exec, factor, x); }
  }
};

struct SolveBandLowerFn {
  template <class Exec>
  void operator()(Exec const& exec, BandFactor const& factor, MatrixView<double> x) const {
    static_assert(RunsSymmetricBand<Exec>, "kernels::solve_band_lower has no body for this executor");
    expects(x.extent(0) == factor.lower.extent(0), "solve_band_lower", "x must have as many rows as the order", x.extent(0), factor.lower.extent(0));
    if (!x.empty()) { solve_band_lower_on(exec, factor, x); }
  }
};

struct BandInverseTraceFn {
  template <class Exec>
  [[nodiscard]] double operator()(Exec const& exec, BandFactor const& factor) const {
    static_assert(RunsSymmetricBand<Exec>, "kernels::band_inverse_trace has no body for this executor");
    return band_inverse_trace_on(exec, factor);
  }
};
}  // namespace detail

/// Householder reduction of a dense symmetric matrix to a band of 48 off-diagonals, by block reflectors: nearly all of it is matrix products.
/// @param[in] a [n, n] tiled, host memory; taken over, since its memory is the work space
/// Cost: 4/3 n^3 flop; n^2 / 2 doubles for the reflectors
/// @source Bischof, Lang, Sun, "A framework for symmetric band reduction", ACM TOMS 26 (2000), the first stage; reflectors in the compact WY
///         form of Schreiber and Van Loan, SIAM J. Sci. Stat. Comput. 10 (1989)
inline constexpr detail::ReduceToBandFn reduce_to_band{};

/// x <- Z^T x (into_band) or Z x (out_of_band).
/// @param[in,out] x [n, m], host memory.   Cost: 2 n^2 m flop
inline constexpr detail::RotateFn rotate{};

/// The Cholesky factor of B + shift I.
/// @returns nothing when the shifted band is not positive definite in float64.   Cost: width^2 n flop
inline constexpr detail::FactorBandFn factor_band{};

/// x <- (B + s I)^-1 x.
/// @param[in,out] x [n, m], host memory.   Cost: 4 width n m flop
inline constexpr detail::SolveBandFn solve_band{};

/// x <- L^-1 x, so that the squared length of a column becomes x^T (B + s I)^-1 x.
/// @param[in,out] x [n, m], host memory.   Cost: 2 width n m flop
inline constexpr detail::SolveBandLowerFn solve_band_lower{};

/// Trace of (B + s I)^-1, from the entries of the inverse inside the band alone. Not negative.   Cost: 2 width^2 n flop
/// @source Takahashi, Fagan, Chin, "Formation of a sparse bus impedance matrix", PICA 1973
inline constexpr detail::BandInverseTraceFn band_inverse_trace{};

}  // namespace accrete::kernels
