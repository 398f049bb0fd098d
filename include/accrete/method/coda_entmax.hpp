#pragma once

#include <accrete/method/detail/coda.hpp>
#include <accrete/prompt/weight/entmax15.hpp>

#include <string_view>

namespace accrete::method {

/// CODA-Prompt whose weights come from 1.5-entmax: between softmax, where all components get some, and sparsemax, where few do.
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218; the weights are our extension
struct CodaEntmax : detail::Coda<Entmax15Weights> {
  static constexpr std::string_view name = "coda-entmax";
  static constexpr std::string_view summary = "coda-prompt with weights from 1.5-entmax of the scores: some components get none";
};

}  // namespace accrete::method
