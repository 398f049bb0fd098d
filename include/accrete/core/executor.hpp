#pragma once

#include <accrete/core/precision.hpp>

#include <concepts>
#include <cstddef>
#include <string_view>

namespace accrete {

template <class E>
concept HasExecutorName = requires {
  { E::name } -> std::convertible_to<std::string_view>;
};

template <class E>
concept Waits = requires(E const& exec) {
  exec.wait();
};

/// Says in which memory its kernels expect their arrays.
template <class E>
concept OwnsMemory = requires(std::size_t bytes, void* pointer) {
  typename E::Memory;
  { E::Memory::allocate(bytes) } -> std::same_as<void*>;
  E::Memory::release(pointer, bytes);
};

/// Says how it keeps the weights of a product.
template <class E>
concept PacksWeights = requires(E const& exec) {
  typename E::PackedWeights;
  { exec.precision } -> std::convertible_to<Precision>;
};

/// Where kernels run; copyable, waitable.
template <class E>
concept Executor = std::copyable<E> && HasExecutorName<E> && Waits<E> && OwnsMemory<E> && PacksWeights<E>;

}  // namespace accrete
