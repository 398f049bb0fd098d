#pragma once

#include <accrete/core/bfloat16.hpp>

#include <type_traits>

namespace accrete {

/// The scalar that sums over elements of T are kept in, and with them the residual stream and all gradients of parameters:
/// float for float and bfloat16, double for double.
template <class T>
using SumScalar = std::conditional_t<std::is_same_v<std::remove_const_t<T>, double>, double, float>;

}  // namespace accrete
