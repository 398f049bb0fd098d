#pragma once

/// Everything the host executor runs, with the product engine it has by default. The other one has a header of its own.
// IWYU pragma: begin_exports
#include <accrete/config.hpp>
#include <accrete/host/activation.hpp>
#include <accrete/host/attention.hpp>
#include <accrete/host/attention_backward.hpp>
#include <accrete/host/column_squares.hpp>
#include <accrete/host/column_sums.hpp>
#include <accrete/host/dense.hpp>
#include <accrete/host/dropout.hpp>
#include <accrete/host/elementwise.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/gather.hpp>
#include <accrete/host/layer_norm.hpp>
#include <accrete/host/parts.hpp>
#include <accrete/host/rows.hpp>
#include <accrete/host/tokens.hpp>
#include <accrete/host/transfer.hpp>
#include <accrete/host/weight_gradient.hpp>
#include <accrete/host/weight_gradient_squares.hpp>
#if ACCRETE_WITH_ONEDNN
#include <accrete/host/onednn.hpp>
#else
#include <accrete/host/eigen_products.hpp>
#endif
// IWYU pragma: end_exports
