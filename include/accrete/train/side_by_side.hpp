#pragma once

#include <accrete/backbone/joined_features.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/tensor.hpp>

#include <array>
#include <string>
#include <utility>

namespace accrete {

/// Two networks that answer together, seen as one: pictures are read once for both, and the features of the first stand before those of the second.
/// @tparam Network  `Prompted`: what both are, with parameters of their own
template <class Network>
class SideBySide {
 public:
  SideBySide(Network first, Network second) : first_(std::move(first)), second_(std::move(second)) {}

  [[nodiscard]] Index width() const { return first_.width() + second_.width(); }
  [[nodiscard]] Preprocessing preprocessing() const { return first_.preprocessing(); }
  [[nodiscard]] std::string hash() const { return first_.hash() + " " + second_.hash(); }

  static constexpr bool takes_queries = Network::takes_queries;
  /// What queries are features of: the network that both rest on.
  [[nodiscard]] auto plain() const requires takes_queries { return first_.plain(); }

  /// @param[in] images [B, channels, H, W] preprocessed, in host memory
  /// @returns   [B, 2 D] in the executor's memory
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images) const {
    return joined_features<Exec>(exec, images.extent(0), std::array{first_.features(exec, images), second_.features(exec, images)}, copy_features);
  }
  /// @param[in] queries [B, D] host memory, or empty
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features_of(Exec const& exec, TensorView<float const, 4> images, MatrixView<float const> queries) const requires takes_queries {
    return joined_features<Exec>(exec, images.extent(0), std::array{first_.features_of(exec, images, queries), second_.features_of(exec, images, queries)}, copy_features);
  }

 private:
  Network first_;
  Network second_;
};

}  // namespace accrete
