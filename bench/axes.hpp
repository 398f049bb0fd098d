#pragma once

#include <accrete/core/tensor.hpp>

#include <array>

/// The sizes every benchmark draws from: the networks that people use, a tiny one and a huge one.
namespace accrete::bench {

/// A linear layer over the rows of a batch.
struct LinearSize {
  Index rows, inputs, outputs;
};
/// ViT-B/16 at 224 pixels, batch 8: [q | k | v], projection, both layers of the MLP; the shipped 32-pixel network, batch 64; one row; ViT-L.
inline constexpr std::array<LinearSize, 9> linear_sizes{
    {{1576, 768, 2304}, {1576, 768, 768}, {1576, 768, 3072}, {1576, 3072, 768}, {4160, 192, 576}, {4160, 192, 768}, {4160, 768, 192}, {1, 192, 192}, {2056, 1024, 4096}}};

/// A linear layer over `rows` rows of each of some samples.
struct SampledSize {
  Index samples, rows, inputs, outputs;
};
/// ViT-B/16 at batch 8 and its class tokens at batch 128, the shipped network at batch 64, one small sample.
inline constexpr std::array<SampledSize, 6> sampled_sizes{{{8, 197, 768, 2304}, {8, 197, 768, 3072}, {8, 197, 3072, 768}, {128, 1, 768, 3072}, {64, 65, 192, 768}, {1, 5, 192, 192}}};

/// Attention over a batch: `queries` is `keys`, or 1 where only the class token is wanted.
struct AttentionSize {
  Index batch, heads, queries, keys, head_width;
};
/// ViT-B/16 batch 8 and its last block, the shipped network at two batches and its last block, ViT-S/8, one head of eight tokens.
inline constexpr std::array<AttentionSize, 7> attention_sizes{
    {{8, 12, 197, 197, 64}, {8, 12, 1, 197, 64}, {8, 3, 65, 65, 64}, {64, 3, 65, 65, 64}, {64, 3, 1, 65, 64}, {2, 6, 785, 785, 64}, {1, 1, 8, 8, 16}}};

/// Rows of features or tokens.
struct RowsSize {
  Index rows, width;
};
inline constexpr std::array<RowsSize, 4> rows_sizes{{{1576, 768}, {4160, 192}, {1, 192}, {65792, 1024}}};

/// Queries against a pool of keys: the papers' prompt pools, class prototypes.
struct PoolSize {
  Index queries, keys, width;
};
inline constexpr std::array<PoolSize, 4> pool_sizes{{{64, 10, 768}, {64, 100, 768}, {1, 100, 192}, {256, 1000, 1024}}};

}  // namespace accrete::bench
