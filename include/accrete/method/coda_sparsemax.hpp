#pragma once

#include <accrete/method/detail/coda.hpp>
#include <accrete/prompt/weight/sparsemax.hpp>

#include <string_view>

namespace accrete::method {

/// CODA-Prompt whose weights are the point of the simplex nearest to the scores: most components get none.
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218; the weights are our extension
struct CodaSparsemax : detail::Coda<SparsemaxWeights> {
  static constexpr std::string_view name = "coda-sparsemax";
  static constexpr std::string_view summary = "coda-prompt with weights from sparsemax of the scores: most components get none";
};

}  // namespace accrete::method
