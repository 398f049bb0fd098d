#pragma once

#include <accrete/core/error.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

namespace accrete {

/// A file that appears whole or not at all: bytes go to `.NAME.partial` in the same folder; `commit` syncs it, renames it onto the target and syncs the folder.
/// Whatever happens before, a crash or kill -9 included, the target is what it was. Two writers of one target take turns, and a partial file left by
/// a killed writer is taken over by the next, so nothing piles up. A target that is a symbolic link is followed.
class AtomicFile {
 public:
  /// @throws FileError  when the folder does not exist or cannot be written
  explicit AtomicFile(std::filesystem::path const& target) : target_(resolved(target)), partial_(folder() / ("." + target_.filename().string() + ".partial")) {
    if (target_.filename().empty() || std::filesystem::is_directory(target_)) { fail<FileError>(target_.string(), "is a folder, not a file"); }
    open_and_lock();
  }
  AtomicFile(AtomicFile const&) = delete;
  AtomicFile& operator=(AtomicFile const&) = delete;
  ~AtomicFile() {
    if (file_ < 0) { return; }
    ::unlink(partial_.c_str());
    ::close(file_);
  }

  /// Appends bytes.
  /// @throws FileError  when the disk refuses them; the target is unchanged
  void write(std::span<std::byte const> bytes) {
    while (!bytes.empty()) {
      // Linux never writes more than 2 GiB in one call.
      ssize_t const written = ::write(file_, bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30U));
      if (written < 0 && errno != EINTR) { refuse("cannot be written"); }
      if (written > 0) { bytes = bytes.subspan(static_cast<std::size_t>(written)); }
    }
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Puts what was written in the target's place.
  /// @throws FileError  when the disk refuses; the target is then the old file, or the new one whole
  void commit() {
    if (::fsync(file_) != 0) { refuse("cannot be written"); }
    if (::rename(partial_.c_str(), target_.c_str()) != 0) { refuse("cannot be replaced"); }
    ::close(std::exchange(file_, -1));
    int const directory = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) { refuse("cannot be made durable"); }
    int const synced = ::fsync(directory);
    int const reason = errno;
    ::close(directory);
    // Some file systems cannot sync a folder; the rename itself has happened.
    if (synced != 0 && reason != EINVAL && reason != ENOTSUP) { fail<FileError>(target_.string(), "cannot be made durable: ", std::strerror(reason)); }
  }

 private:
  static std::filesystem::path resolved(std::filesystem::path const& target) {
    std::error_code ignored;
    return std::filesystem::is_symlink(target, ignored) ? std::filesystem::weakly_canonical(target, ignored) : target;
  }

  [[nodiscard]] std::filesystem::path folder() const { return target_.has_parent_path() ? target_.parent_path() : std::filesystem::path("."); }

  [[noreturn]] void refuse(std::string_view what) const { fail<FileError>(target_.string(), what, ": ", std::strerror(errno)); }

  void open_and_lock() {
    while (true) {
      file_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
      if (file_ < 0) { refuse("cannot be written"); }
      while (::flock(file_, LOCK_EX) != 0 && errno == EINTR) {}  // a file system without locks has writers that trust each other
      // Whoever held the lock before has renamed or removed the file we opened: then it is no longer the partial file.
      struct stat opened {};
      struct stat named {};
      bool const same = ::fstat(file_, &opened) == 0 && ::stat(partial_.c_str(), &named) == 0 && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
      if (same) { break; }
      ::close(std::exchange(file_, -1));
    }
    if (::ftruncate(file_, 0) != 0) {
      int const reason = errno;
      ::close(std::exchange(file_, -1));
      fail<FileError>(target_.string(), "cannot be written: ", std::strerror(reason));
    }
  }

  std::filesystem::path target_;
  std::filesystem::path partial_;
  int file_ = -1;
};

}  // namespace accrete
