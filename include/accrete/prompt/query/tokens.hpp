#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>

#include <algorithm>
#include <string_view>

namespace accrete {

/// The query is the mean of the tokens that enter block 0, positions added: no pass of its own, and a picture's answer costs one pass.
/// @source the `embedding_key` "mean" of L2P's and DualPrompt's releases
struct MeanTokenQuery {
  static constexpr std::string_view name = "mean-token";
  static constexpr bool of_tokens = true;

  /// @param[in] tokens [B, T, D] in the executor's memory;  @param[out] queries [B, D] host memory
  template <class Exec>
  static void read(Exec const& exec, TensorView<float const, 3> tokens, MatrixView<float> queries) {
    Matrix<float, typename Exec::Memory> means(queries.shape());
    kernels::mean_tokens(exec, tokens, 0, means.view());
    kernels::download(exec, means.cview(), queries);
  }
};

/// The query is the largest of the tokens that enter block 0, feature by feature.
/// @source the `embedding_key` "max" of L2P's and DualPrompt's releases
struct MaxTokenQuery {
  static constexpr std::string_view name = "max-token";
  static constexpr bool of_tokens = true;

  /// @param[in] tokens [B, T, D] in the executor's memory;  @param[out] queries [B, D] host memory
  template <class Exec>
  static void read(Exec const& exec, TensorView<float const, 3> tokens, MatrixView<float> queries) {
    Tensor<float, 3> here(tokens.shape());
    kernels::download(exec, tokens, here.view());
    for (Index b = 0; b < here.extent(0); ++b) {
      auto const rows = here.cview()[b];
      std::copy(rows[0].begin(), rows[0].end(), queries[b].begin());
      for (Index t = 1; t < rows.extent(0); ++t) {
        std::transform(rows[t].begin(), rows[t].end(), queries[b].begin(), queries[b].begin(), [](float value, float largest) { return std::max(value, largest); });
      }
    }
  }
};

}  // namespace accrete
