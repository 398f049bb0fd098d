#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/linear.hpp>

#include <utility>

namespace accrete::nn {

/// Images to tokens with frozen weights: a convolution whose stride is its size, hence one product over cut-out patches, and learned positions.
///   tokens_b = [prefix; patches_b W^T + b + positions]
/// @source Dosovitskiy et al., ICLR 2021, arXiv:2010.11929v2, Eq. 1
template <class Exec>
class PatchEmbedding {
 public:
  using Scratch = ScratchPool<typename Exec::Memory>;

  PatchEmbedding() = default;
  /// @param projection [channels * edge^2 -> D];  @param[in] prefix [P, D] with positions, host memory;  @param[in] positions [G, D] host memory
  PatchEmbedding(Exec const& exec, Linear<Exec> projection, Index edge, MatrixView<float const> prefix, MatrixView<float const> positions)
      : projection_(std::move(projection)), edge_(edge), prefix_(prefix.shape()), positions_(positions.shape()) {
    kernels::upload(exec, prefix, prefix_.view());
    kernels::upload(exec, positions, positions_.view());
  }

  /// @tparam T  float or bfloat16, as the weights were packed
  /// @param[in] images [B, channels, H, W];  @param[out] tokens [B, P + G, D]
  /// @throws ShapeError  when the images do not have G patches
  template <class T>
  void forward(Exec const& exec, TensorView<float const, 4> images, TensorView<float, 3> tokens, Scratch const& scratch) const {
    Index const rows = images.extent(0) * positions_.extent(0);
    auto const columns = scratch.template lease<T>(Shape<2>{rows, projection_.inputs()});
    auto const patches = scratch.template lease<float>(Shape<2>{rows, projection_.outputs()});
    kernels::patches(exec, images, edge_, columns.view());
    projection_.forward(exec, RowsView<T>(columns.view()), RowsView<float>(patches.view()));
    kernels::assemble_tokens(exec, patches.view(), prefix_.view(), positions_.view(), tokens);
  }

 private:
  Linear<Exec> projection_;
  Index edge_ = 1;
  Matrix<float, typename Exec::Memory> prefix_;
  Matrix<float, typename Exec::Memory> positions_;
};

}  // namespace accrete::nn
