#pragma once

#include <accrete/method/detail/coda.hpp>
#include <accrete/prompt/weight/cosine.hpp>

#include <string_view>

namespace accrete::method {

/// CODA-Prompt: prefixes put together for every picture out of components, weighed by the cosine of its attended query with their keys.
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218
struct CodaPrompt : detail::Coda<CosineWeights> {
  static constexpr std::string_view name = "coda-prompt";
  static constexpr std::string_view summary = "prefixes put together out of components by how similar a picture's attended query is to their keys, under a linear head";
};

}  // namespace accrete::method
