#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/query/feature.hpp>

#include <algorithm>
#include <span>
#include <type_traits>
#include <vector>

namespace accrete {

/// The queries of the pictures that a prompt learns from: their features in the plain network. Where nothing of the network itself learns, the plain and the bent pass
/// share the embedding and the blocks before the first that is bent. Queries of pictures that are never augmented are computed once.
/// @tparam Network  Vit<Tuning>;  @tparam Query  FeatureQuery, MeanTokenQuery or MaxTokenQuery
template <class Exec, class Network, class Query = FeatureQuery>
class QuerySource {
  using Memory = typename Exec::Memory;

 public:
  /// Whether `tokens` are what the bent pass begins with.
  static constexpr bool shares_front = std::is_same_v<Network, Vit<Frozen>>;

  /// @param[in] kept  number of samples whose queries are computed once; 0: none are kept
  QuerySource(Exec const& exec, Network const& network, Index first_block, Index kept)
      : exec_(exec),
        trunk_(network.trunk()),
        first_(shares_front && !Query::of_tokens ? first_block : 0),
        kept_({Query::of_tokens ? 0 : kept, network.width()}),
        known_(static_cast<std::size_t>(kept_.extent(0)), false) {}

  [[nodiscard]] Index first_block() const { return first_; }
  /// [B, T, D] in front of that block, of the last batch.
  [[nodiscard]] TensorView<float const, 3> tokens() const { return tokens_.cview(); }

  /// @param[in] images [B, channels, H, W] in the executor's memory;  @param[in] positions [B] of the samples, or empty: then nothing is kept
  /// @returns   [B, D] host memory, until the next call
  [[nodiscard]] MatrixView<float const> operator()(TensorView<float const, 4> images, std::span<Index const> positions) {
    Index const batch = images.extent(0);
    bool const keeps = kept_.extent(0) > 0 && !positions.empty();
    bool const all_known = keeps && std::all_of(positions.begin(), positions.end(), [&](Index position) { return known_[static_cast<std::size_t>(position)]; });
    Shape<3> const shape{batch, trunk_.shape().tokens(), trunk_.width()};
    if (!(tokens_.shape() == shape)) { tokens_ = Tensor<float, 3, Memory>(shape); }
    queries_ = Matrix<float>({batch, trunk_.width()});
    Matrix<float, Memory> there({all_known || Query::of_tokens ? 0 : batch, trunk_.width()});
    if (shares_front || !all_known) { trunk_.front(exec_, images, first_, tokens_.view(), there.view()); }
    if constexpr (Query::of_tokens) {
      Query::read(exec_, tokens_.cview(), queries_.view());
    } else if (all_known) {
      for (Index b = 0; b < batch; ++b) { copy(kept_.cview()[positions[static_cast<std::size_t>(b)]], queries_.view()[b]); }
    } else {
      kernels::download(exec_, there.cview(), queries_.view());
      for (Index b = 0; keeps && b < batch; ++b) {
        Index const position = positions[static_cast<std::size_t>(b)];
        copy(queries_.cview()[b], kept_.view()[position]);
        known_[static_cast<std::size_t>(position)] = true;
      }
    }
    return queries_.cview();
  }

 private:
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
