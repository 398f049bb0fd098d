#pragma once

#include <cstddef>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace accrete {

/// Ordinary memory, aligned to a cache line so that vector loads never split.
/// Large blocks are aligned to a huge page and ask the system for such pages: that saves page faults and misses of the translation buffer.
struct HostMemory {
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t huge_page = std::size_t{1} << 21U;

  /// @throws std::bad_alloc
  [[nodiscard]] static void* allocate(std::size_t bytes) {
    if (bytes < least_large) { return ::operator new (bytes, std::align_val_t{alignment}); }
    void* const pointer = ::operator new (bytes, std::align_val_t{huge_page});
#if defined(__linux__)
    // Advice alone: where it is refused, ordinary pages serve as well.
    static_cast<void>(madvise(pointer, bytes / huge_page * huge_page, MADV_HUGEPAGE));
#endif
    return pointer;
  }

  /// @param[in] bytes  as given to `allocate`
  static void release(void* pointer, std::size_t bytes) noexcept {
    // clang 14 has no sized form.
    if (bytes < least_large) {
      ::operator delete (pointer, std::align_val_t{alignment});
    } else {
      ::operator delete (pointer, std::align_val_t{huge_page});
    }
  }

 private:
  static constexpr std::size_t least_large = 4 * huge_page;
};

}  // namespace accrete
