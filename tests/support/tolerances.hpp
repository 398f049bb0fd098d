#pragma once

#include <accrete/core/bfloat16.hpp>

#include <type_traits>

namespace accrete::test {

/// What a number went through before it is compared.
enum class Kind {
  elementwise,       ///< a few roundings: an addition, a product, one exp or erf
  sum,               ///< a sum of up to some 4,000 terms of both signs, such as a mean or a row of a product
  product,           ///< one matrix product with its epilogue
  softmax,           ///< exponentials over their sum, or a norm: a sum and a division
  attention,         ///< two products with a softmax between them
  chain,             ///< a whole network: a dozen blocks one after the other
  routes,            ///< one ridge quantity by two different factorisations
  forgetting,        ///< a ridge model that took a class back against one that never saw it
  gradient,          ///< what comes back through an attention or a norm: two or three products and the differences between them
  backward,          ///< gradients through a whole network
  losses,            ///< the loss of each of fifty steps of learning
  training,          ///< parameters and features after fifty steps of learning
  differences,       ///< a derivative against central differences of the function in double
  trajectory,        ///< fifty steps of an optimiser
  solve,             ///< a linear solve of a well-conditioned system (condition number up to 1e4)
  loss_differences,  ///< the gradient of a loss against central differences in double
  factor,            ///< a triangular factor multiplied out again
};

/// Largest |got - want| allowed, relative to the largest |want| of the array (support/compare.hpp measures it so).
///
/// The unit roundoff u is 1.1e-16 in double, 6.0e-8 in float, 3.9e-3 in bfloat16. Errors of n independent roundings grow as
/// sqrt(n) u in practice; n u, the proven bound, would be too loose to see a wrong term. The largest value of the array is the
/// yardstick since a sum's error scales with its terms, not with what is left after they cancel.
/// bfloat16 rounds the inputs and, where the kernel stores bfloat16, the result; sums are kept in float there.
///
/// kind          double   float    bfloat16   why
/// elementwise   1e-14    2e-6     8e-3       16 u for one libm call and its neighbours; one rounding of the result is u in bfloat16
/// sum           1e-13    1e-5     1e-2       sqrt(4000) u = 64 u, doubled for the two summation orders
/// product       1e-13    1e-5     1.2e-2     as a sum; both factors rounded in bfloat16: 2 u on each term, averaged out over the row
/// softmax       1e-13    1e-5     1e-2       a sum, and exp(x) carries the error of x as a relative one: |x| u with |x| < 100
/// attention     1e-12    3e-5     2e-2       the second product sees the errors of the first through exp
/// gradient      1e-12    4e-5     2e-2       an attention, and dA - delta cancels some of it; in bfloat16 y, dy and the results are rounded besides
/// backward      1e-10    1e-4     1e-1       a chain forward and back; in bfloat16 each layer's gradient is rounded as well: some fifty roundings of 4e-3, one after the other
/// losses        -        1e-4     -          issue 4 sets it; float32 of PyTorch stays within 5e-7 of its float64
/// training      -        1e-3     -          issue 4 sets it; float32 of PyTorch stays within 1e-5 of its float64
/// differences   1e-9     -        -          a step h of 1e-3 with the h^2 term taken out leaves h^4 and u / h, 1e-12 each, times some hundred terms
/// chain         1e-11    1e-4     2e-2       measured growth over 12 blocks is a factor 5 to 10 on float; issue 3 sets 1e-4 and 2e-2
/// trajectory    1e-12    1e-6     -          a few roundings of the weight each step, relative to weights that move little; float32 steps beside float32 steps of torch
/// solve         1e-11    1e-2     -          condition number times u, times the growth of a sum
/// loss_differences 1e-6 -        -          steps of 1e-5: the third derivative leaves 1e-10, rounding of the loss u / 1e-5 = 1e-11 times the terms of its sum
/// factor        1e-12    -        -          backward stable: the order (up to some 1,000) times u
/// routes        1e-10    1e-4     -          double: condition numbers up to 1e5 times u; float: a map rounded to float (1e-6), amplified by the solve behind it
/// forgetting    1e-9     -        -          issue 3: what adding and subtracting leaves (u |G|) times the same condition numbers
template <class T>
[[nodiscard]] constexpr double tolerance(Kind kind) {
  constexpr bool is_double = std::is_same_v<T, double>;
  constexpr bool is_float = std::is_same_v<T, float>;
  static_assert(is_double || is_float || std::is_same_v<T, bfloat16>, "the table has rows for double, float and bfloat16");
  constexpr auto pick = [](double in_double, double in_float, double in_bfloat16) { return is_double ? in_double : is_float ? in_float : in_bfloat16; };
  switch (kind) {
    case Kind::elementwise: return pick(1e-14, 2e-6, 8e-3);
    case Kind::sum: return pick(1e-13, 1e-5, 1e-2);
    case Kind::product: return pick(1e-13, 1e-5, 1.2e-2);
    case Kind::softmax: return pick(1e-13, 1e-5, 1e-2);
    case Kind::attention: return pick(1e-12, 3e-5, 2e-2);
    case Kind::gradient: return pick(1e-12, 4e-5, 2e-2);
    case Kind::backward: return pick(1e-10, 1e-4, 1e-1);
    case Kind::losses: return pick(0.0, 1e-4, 0.0);
    case Kind::training: return pick(0.0, 1e-3, 0.0);
    case Kind::differences: return pick(1e-9, 0.0, 0.0);
    case Kind::chain: return pick(1e-11, 1e-4, 2e-2);
    case Kind::routes: return pick(1e-10, 1e-4, 0.0);
    case Kind::forgetting: return pick(1e-9, 0.0, 0.0);
    case Kind::loss_differences: return pick(1e-6, 0.0, 0.0);
    case Kind::factor: return pick(1e-12, 0.0, 0.0);
    case Kind::trajectory: return pick(1e-12, 1e-6, 0.0);
    case Kind::solve: return pick(1e-11, 1e-2, 0.0);
  }
  return 0.0;
}

}  // namespace accrete::test
