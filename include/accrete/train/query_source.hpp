#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/gather.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/query/feature.hpp>

#include <algorithm>
#include <span>
#include <type_traits>
#include <vector>

namespace accrete {

/// The queries of the pictures that a prompt learns from: their features in the plain network. Where nothing of the network itself learns, the plain and the bent pass
/// share the embedding and the blocks before the first that is bent. Queries of pictures that come again as they were are computed once.
/// @tparam Network  Vit<Tuning>;  @tparam Query  FeatureQuery, MeanTokenQuery or MaxTokenQuery
template <class Exec, class Network, class Query = FeatureQuery>
class QuerySource {
  using Memory = typename Exec::Memory;

 public:
  /// Whether `tokens` are what the bent pass begins with.
  static constexpr bool shares_front = std::is_same_v<Network, Vit<Frozen>>;

  /// @param[in] kept  number of pictures whose queries are computed once; 0: none are kept
  QuerySource(Exec const& exec, Network const& network, Index first_block, Index kept)
      : exec_(exec),
        trunk_(network.trunk()),
        first_(shares_front && !Query::of_tokens ? first_block : 0),
        kept_({Query::of_tokens ? 0 : kept, network.width()}),
        known_(static_cast<std::size_t>(kept_.extent(0)), false) {}

  [[nodiscard]] Index first_block() const { return first_; }
  /// [B, T, D] in front of that block, of the last batch.
  [[nodiscard]] TensorView<float const, 3> tokens() const { return tokens_.cview(); }

  /// @param[in] images [B, channels, H, W] in the executor's memory;  @param[in] pictures [B] which of those kept each is, or empty: then nothing is kept
  /// @returns   [B, D] host memory, until the next call
  [[nodiscard]] MatrixView<float const> operator()(TensorView<float const, 4> images, std::span<Index const> pictures) {
    Index const batch = images.extent(0);
    Shape<3> const shape{batch, trunk_.shape().tokens(), trunk_.width()};
    if (!(tokens_.shape() == shape)) { tokens_ = Tensor<float, 3, Memory>(shape); }
    queries_ = Matrix<float>({batch, trunk_.width()});
    if constexpr (Query::of_tokens) {
      trunk_.front(exec_, images, first_, tokens_.view(), {});
      Query::read(exec_, tokens_.cview(), queries_.view());
    } else {
      bool const keeps = kept_.extent(0) > 0 && !pictures.empty();
      std::vector<Index> const missing = keeps ? look_up(pictures) : std::vector<Index>();
      if (!keeps || static_cast<Index>(missing.size()) == batch) {
        Matrix<float, Memory> there({batch, trunk_.width()});
        trunk_.front(exec_, images, first_, tokens_.view(), there.view());
        kernels::download(exec_, there.cview(), queries_.view());
      } else {
        if constexpr (shares_front) { trunk_.front(exec_, images, first_, tokens_.view(), {}); }
        if (!missing.empty()) { compute(images, missing); }
      }
      for (Index const b : missing) {
        Index const picture = pictures[static_cast<std::size_t>(b)];
        copy(queries_.cview()[b], kept_.view()[picture]);
        known_[static_cast<std::size_t>(picture)] = true;
      }
    }
    return queries_.cview();
  }

 private:
  /// Takes what is known.
  /// @returns the rows of which nothing is
  [[nodiscard]] std::vector<Index> look_up(std::span<Index const> pictures) {
    std::vector<Index> missing;
    for (Index b = 0; b < queries_.extent(0); ++b) {
      Index const picture = pictures[static_cast<std::size_t>(b)];
      if (known_[static_cast<std::size_t>(picture)]) {
        copy(kept_.cview()[picture], queries_.view()[b]);
      } else {
        missing.push_back(b);
      }
    }
    return missing;
  }

  /// The queries of some of the images.
  void compute(TensorView<float const, 4> images, std::span<Index const> rows) {
    auto const count = static_cast<Index>(rows.size());
    Index const numbers = images.size() / images.extent(0);
    Vector<Index, Memory> index({count});
    kernels::upload(exec_, VectorView<Index const>(rows.data(), {count}), index.view());
    Tensor<float, 4, Memory> some({count, images.extent(1), images.extent(2), images.extent(3)});
    kernels::gather(exec_, images.reshaped<2>({images.extent(0), numbers}), VectorView<Index const>(index.cview()), some.view().template reshaped<2>({count, numbers}));
    auto const there = trunk_.features(exec_, some.cview());
    Matrix<float> here(there.shape());
    kernels::download(exec_, there.cview(), here.view());
    for (Index i = 0; i < count; ++i) { copy(here.cview()[i], queries_.view()[rows[static_cast<std::size_t>(i)]]); }
  }

  static void copy(VectorView<float const> from, VectorView<float> to) { std::copy(from.begin(), from.end(), to.begin()); }

  Exec const& exec_;
  Vit<Frozen> trunk_;
  Index first_;
  Matrix<float> kept_;
  std::vector<bool> known_;
  Tensor<float, 3, Memory> tokens_;
  Matrix<float> queries_;
};

}  // namespace accrete
