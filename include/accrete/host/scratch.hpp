#pragma once

#include <accrete/core/tensor.hpp>

#include <cstddef>

namespace accrete::host {

/// Working memory of one thread inside one kernel. Each `Purpose` type has its own piece per thread; it grows to the largest
/// request and is kept until the thread ends, so nothing is allocated after the first calls.
/// A piece is lost to the next request of the same purpose on the same thread.
template <class Purpose>
class ThreadScratch {
 public:
  /// At least `count` elements, aligned to a cache line, with whatever the last user left.
  template <class T>
  [[nodiscard]] static T* get(Index count) {
    Index const bytes = count * static_cast<Index>(sizeof(T));
    Vector<std::byte>& memory = storage();
    if (memory.size() < bytes) { memory = Vector<std::byte>({bytes + bytes / 4}); }
    return reinterpret_cast<T*>(memory.data());
  }

 private:
  static Vector<std::byte>& storage() {
    thread_local Vector<std::byte> memory;
    return memory;
  }
};

}  // namespace accrete::host
