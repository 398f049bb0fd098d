#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/symmetric.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsRankKUpdate = requires(Exec const& exec, double sign, MatrixView<T const> rows, SymmetricView<double> gram) {
  rank_k_update_on(exec, sign, rows, gram);
};

struct RankKUpdateFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, double sign, MatrixView<T> rows, SymmetricView<double> gram) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsRankKUpdate<Exec, Scalar>, "kernels::rank_k_update has no body for this executor and this scalar");
    expects(rows.extent(1) == gram.order(), "rank_k_update", "the rows must have the order of the matrix", rows.extent(1), gram.order());
    if (rows.extent(0) > 0) { rank_k_update_on(exec, sign, MatrixView<Scalar const>(rows), gram); }
  }
};
}  // namespace detail

/// G += sign * H^T H, the lower triangle only, products and sums in float64.
/// @param[in] sign  1 to learn, -1 to take back;  @param[in] rows H [n, M] float or double;  @param[in,out] gram [M, M] tiled
/// @throws ShapeError  when the widths differ
/// Cost: n * M^2 flop
inline constexpr detail::RankKUpdateFn rank_k_update{};

}  // namespace accrete::kernels
