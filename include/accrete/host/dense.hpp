#pragma once

/// Dense algebra of the host executor: what heads need of symmetric matrices.
#include <accrete/host/band_reduction.hpp>   // IWYU pragma: export
#include <accrete/host/band_solve.hpp>       // IWYU pragma: export
#include <accrete/host/cholesky_factor.hpp>  // IWYU pragma: export
#include <accrete/host/double_product.hpp>   // IWYU pragma: export
#include <accrete/host/rank_k_update.hpp>    // IWYU pragma: export
#include <accrete/host/ridge_solve.hpp>      // IWYU pragma: export
