#pragma once

#include <accrete/core/precision.hpp>
#include <accrete/core/tensor.hpp>

#include <any>
#include <map>
#include <memory>
#include <mutex>
#include <typeindex>
#include <utility>

namespace accrete {

/// Weights in the layout of the executors that asked for them, packed on first use. A head multiplies in float32 whatever the precision of the trunk is.
/// Copies share what is packed until one of them calls `clear`. Safe to ask from several threads.
class PackedCache {
 public:
  /// The weights of one slot: what `make(float32 executor)` gives, made once for each type of executor.
  template <class Exec, class Make>
  [[nodiscard]] typename Exec::PackedWeights get(Exec const& exec, Index slot, Make const& make) const {
    std::lock_guard const lock(store_->mutex);
    auto& place = store_->packed[{std::type_index(typeid(Exec)), slot}];
    if (!place.has_value()) { place = make(in_float32(exec)); }
    return std::any_cast<typename Exec::PackedWeights>(place);
  }

  /// Forgets what is packed, for this owner alone.
  void clear() { store_ = std::make_shared<Store>(); }

  /// The same executor, packing in float32.
  template <class Exec>
  [[nodiscard]] static Exec in_float32(Exec exec) {
    exec.precision = Precision::float32;
    return exec;
  }

 private:
  struct Store {
    std::mutex mutex;
    std::map<std::pair<std::type_index, Index>, std::any> packed;
  };

  std::shared_ptr<Store> store_ = std::make_shared<Store>();
};

}  // namespace accrete
