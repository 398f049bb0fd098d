#pragma once

#include <accrete/method/detail/coda.hpp>
#include <accrete/prompt/weight/top_k_softmax.hpp>

#include <string_view>

namespace accrete::method {

/// CODA-Prompt whose weights are the softmax of the k largest scores: a picture gets no more components than that.
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218; the weights are our extension
struct CodaTopk : detail::Coda<TopKSoftmaxWeights> {
  static constexpr std::string_view name = "coda-topk";
  static constexpr std::string_view summary = "coda-prompt with weights from the softmax of the few largest scores";
};

}  // namespace accrete::method
