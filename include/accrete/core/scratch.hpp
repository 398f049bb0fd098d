#pragma once

#include <accrete/core/tensor.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete {

/// Memory that is used for a moment, again and again: buffers are lent and come back, so that a step that ran once allocates nothing the next time.
/// Any thread may lend and give back. Copies share one store.
template <class Memory = HostMemory>
class ScratchPool {
  struct Block {
    void* data = nullptr;
    std::size_t bytes = 0;
  };

  struct Store {
    std::mutex mutex;
    std::vector<Block> free;  // room for every block that exists, so that giving back never allocates
    std::size_t blocks = 0;
    std::size_t bytes = 0;

    Store() = default;
    Store(Store const&) = delete;
    Store& operator=(Store const&) = delete;
    ~Store() {
      for (Block const& block : free) { Memory::release(block.data, block.bytes); }
    }
  };

 public:
  /// A lent buffer; goes back when it is destroyed. May outlive the pool. The elements are left as they came.
  template <class T, int Rank>
  class Lease {
   public:
    Lease(Lease&& other) noexcept : store_(std::move(other.store_)), block_(std::exchange(other.block_, {})), shape_(other.shape_) {}
    Lease(Lease const&) = delete;
    Lease& operator=(Lease const&) = delete;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (block_.data == nullptr) { return; }
      std::lock_guard const lock(store_->mutex);
      store_->free.push_back(block_);
    }

    [[nodiscard]] TensorView<T, Rank> view() const { return {static_cast<T*>(block_.data), shape_}; }
    [[nodiscard]] T* data() const { return static_cast<T*>(block_.data); }

   private:
    friend class ScratchPool;
    Lease(std::shared_ptr<Store> store, Block block, Shape<Rank> shape) : store_(std::move(store)), block_(block), shape_(shape) {}

    std::shared_ptr<Store> store_;
    Block block_;
    Shape<Rank> shape_;
  };

  /// The smallest free buffer that is large enough, or a new one.
  /// @throws ShapeError  for negative or overflowing extents; what `Memory::allocate` throws
  template <class T, std::size_t Rank>
  [[nodiscard]] Lease<T, static_cast<int>(Rank)> lease(std::array<Index, Rank> shape) const {
    static_assert(std::is_trivially_copyable_v<T>, "scratch holds plain scalars");
    auto const bytes = static_cast<std::size_t>(element_count(shape)) * sizeof(T);
    return {store_, bytes == 0 ? Block{} : take(bytes), shape};
  }

  /// Bytes of all buffers, lent and free.
  [[nodiscard]] std::size_t bytes() const {
    std::lock_guard const lock(store_->mutex);
    return store_->bytes;
  }

 private:
  [[nodiscard]] Block take(std::size_t bytes) const {
    std::lock_guard const lock(store_->mutex);
    auto& free = store_->free;
    auto best = free.end();
    for (auto block = free.begin(); block != free.end(); ++block) {
      if (block->bytes >= bytes && (best == free.end() || block->bytes < best->bytes)) { best = block; }
    }
    if (best != free.end()) {
      Block const found = *best;
      *best = free.back();
      free.pop_back();
      return found;
    }
    free.reserve(store_->blocks + 1);
    Block const made{Memory::allocate(bytes), bytes};
    ++store_->blocks;
    store_->bytes += bytes;
    return made;
  }

  std::shared_ptr<Store> store_ = std::make_shared<Store>();
};

}  // namespace accrete
