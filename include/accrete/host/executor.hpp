#pragma once

#include <accrete/config.hpp>
#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/threads.hpp>

#include <string_view>
#include <type_traits>

namespace accrete::host {

struct OneDnn;         // host/onednn.hpp
struct EigenProducts;  // host/eigen_products.hpp

/// What multiplies when nobody says otherwise: oneDNN where the build has it.
using DefaultProducts = std::conditional_t<ACCRETE_WITH_ONEDNN != 0, OneDnn, EigenProducts>;

/// Runs kernels on the processor: OpenMP over rows, products by `Products`.
/// @tparam Products  `OneDnn` or `EigenProducts`: its `PackedWeights` and a `name`; the header of the chosen one must be included
/// Results do not depend on `threads`, bit for bit. Every kernel is done when its call returns.
template <class Products = DefaultProducts>
struct HostExecutor {
  int threads = 0;                           ///< 0: as many as OpenMP gives
  Precision precision = Precision::float32;  ///< of the weights that `kernels::pack` packs from now on

  using Memory = HostMemory;
  using PackedWeights = typename Products::PackedWeights;
  static constexpr std::string_view name = Products::name;

  void wait() const {}
  [[nodiscard]] int thread_count() const { return threads > 0 ? threads : available_threads(); }
};

}  // namespace accrete::host

namespace accrete {
using host::EigenProducts;
using host::HostExecutor;
using host::OneDnn;
}  // namespace accrete
