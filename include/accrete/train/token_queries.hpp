#pragma once

#include <accrete/core/preprocessing.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/query/feature.hpp>

#include <string>
#include <type_traits>
#include <utility>

namespace accrete {

namespace detail {
template <class Prompt>
struct QueryOf {
  using Type = FeatureQuery;
};
template <class Prompt>
  requires requires { typename Prompt::Query; }
struct QueryOf<Prompt> {
  using Type = typename Prompt::Query;
};
}  // namespace detail

/// What a prompt asks by: its `Query`, the feature in the plain network where it names none.
template <class Prompt>
using QueryOf = typename detail::QueryOf<Prompt>::Type;

/// Queries that are read off the tokens in front of block 0, as if they were the features of a network.
/// @tparam Network  Vit<Frozen>;  @tparam Query  MeanTokenQuery or MaxTokenQuery
template <class Network, class Query>
class TokenQueries {
 public:
  explicit TokenQueries(Network network) : network_(std::move(network)) {}

  [[nodiscard]] Index width() const { return network_.width(); }
  [[nodiscard]] Preprocessing preprocessing() const { return network_.preprocessing(); }
  [[nodiscard]] std::string hash() const { return message(network_.hash(), ' ', Query::name); }

  /// @param[in] images [B, channels, H, W] preprocessed, in host memory;  @returns [B, D] in the executor's memory
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images) const {
    Matrix<float> queries({images.extent(0), width()});
    if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
      Query::read(exec, network_.embed(exec, images).cview(), queries.view());
      return queries;
    } else {
      Tensor<float, 4, typename Exec::Memory> there(images.shape());
      kernels::upload(exec, images, there.view());
      Query::read(exec, network_.embed(exec, there.cview()).cview(), queries.view());
      Matrix<float, typename Exec::Memory> result(queries.shape());
      kernels::upload(exec, queries.cview(), result.view());
      exec.wait();
      return result;
    }
  }

 private:
  Network network_;
};

}  // namespace accrete
