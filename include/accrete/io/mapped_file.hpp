#pragma once

#include <accrete/core/error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>

namespace accrete {

/// The bytes of a file, mapped read-only: pages come from the disk when they are looked at and never count twice. Copies share the mapping.
/// A file that someone shortens while it is mapped makes the operating system end the program; our own writers replace files and never shorten one.
class MappedFile {
 public:
  MappedFile() = default;

  /// @throws FileError  when the path is missing, unreadable or not a regular file
  [[nodiscard]] static MappedFile open(std::filesystem::path const& path) {
    Descriptor const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.number < 0) { fail<FileError>(path.string(), "cannot be opened: ", std::strerror(errno)); }
    struct stat status {};
    if (::fstat(file.number, &status) != 0) { fail<FileError>(path.string(), "cannot be read: ", std::strerror(errno)); }
    if (!S_ISREG(status.st_mode)) { fail<FileError>(path.string(), S_ISDIR(status.st_mode) ? "is a folder, not a file" : "is not a regular file"); }
    MappedFile mapped;
    auto const size = static_cast<std::size_t>(status.st_size);
    if (size == 0) { return mapped; }  // an empty mapping does not exist
    void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
    if (data == MAP_FAILED) { fail<FileError>(path.string(), "cannot be mapped: ", std::strerror(errno)); }
    mapped.bytes_ = {static_cast<std::byte const*>(data), size};
    mapped.owner_ = std::shared_ptr<void>(data, [size](void* first) { ::munmap(first, size); });
    return mapped;
  }

  [[nodiscard]] std::span<std::byte const> bytes() const { return bytes_; }

  /// Gives the memory of pages that were looked at back to the system. They come from the disk again when they are looked at again.
  void forget() const {
    if (!bytes_.empty()) { static_cast<void>(::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_DONTNEED)); }  // a hint: nothing depends on it
  }

 private:
  struct Descriptor {
    int number;
    explicit Descriptor(int opened) : number(opened) {}
    Descriptor(Descriptor const&) = delete;
    Descriptor& operator=(Descriptor const&) = delete;
    ~Descriptor() {
      if (number >= 0) { ::close(number); }
    }
  };

  std::span<std::byte const> bytes_;
  std::shared_ptr<void> owner_;
};

}  // namespace accrete
