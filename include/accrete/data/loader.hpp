#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/augment.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/data/transform.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace accrete {

/// Pictures that go through a backbone together.
struct Batch {
  Tensor<float, 4> images;         ///< [B, 3, H, W]
  std::vector<Index> labels;       ///< [B] positions in the examples' class names
  std::vector<std::uint64_t> ids;  ///< [B] hash of the stored bytes of each, for caches and seeds
  std::vector<Index> positions;    ///< [B] where in the examples they stood
  std::vector<Index> forms;        ///< [B] which form of its picture each is, of `Augmentation::forms`; 0 without augmentation

  [[nodiscard]] Index size() const { return static_cast<Index>(labels.size()); }
};

struct LoaderSettings {
  Index batch = 64;       ///< pictures
  int threads = 1;        ///< that read, decode and resize, besides the caller's; 0: one per core
  Index prefetch = 2;     ///< batches made ready ahead of the one being used
  bool skip_bad = false;  ///< leave out pictures whose file cannot be read, and count them, instead of throwing
};

/// One epoch of training: which examples come in which order, and how each is augmented.
struct TrainingPass {
  std::vector<Index> order;  ///< positions in the examples, one batch after the other; a position may come twice, others never
  Index first_batch = 0;     ///< where an epoch that was broken off goes on
  Augmentation augmentation = {};
  std::uint64_t seed = 1993;  ///< with task, epoch and the number of the picture in its source: the key of its augmentation
  std::uint32_t task = 0;
  std::uint32_t epoch = 0;
};

/// Goes once through examples, reading and preprocessing ahead on its own threads: in their order as evaluation sees them, or as a `TrainingPass` says.
/// Every batch but the last covers `batch` examples; skipped pictures make theirs smaller, and a batch without any is left out.
/// What a batch holds does not depend on the number of threads, nor an augmented picture on its place in the order. For one caller at a time.
class Loader {
 public:
  /// @throws ValueError  when batch or prefetch is below 1, or threads is negative
  Loader(Examples examples, Preprocessing const& preprocessing, LoaderSettings const& settings = {}) : Loader(std::move(examples), preprocessing, settings, std::nullopt) {}

  /// @throws ValueError  as above, when a position lies outside of the examples, or the first batch is negative or behind the last
  Loader(Examples examples, Preprocessing const& preprocessing, LoaderSettings const& settings, TrainingPass pass)
      : Loader(std::move(examples), preprocessing, settings, std::optional<TrainingPass>(std::move(pass))) {}

  Loader(Loader const&) = delete;
  Loader& operator=(Loader const&) = delete;
  /// Ends after the pictures that are being decoded at this moment.
  ~Loader() { stop(); }

  /// Moves the next batch into `batch`, whose old memory is used again.
  /// @returns false when there is none left; `batch` is then unchanged
  /// @throws FileError  naming the file that cannot be read, in the order of the examples; whatever else a worker met. Every later call throws the same.
  bool next(Batch& batch) {
    while (true) {
      if (failure_) { std::rethrow_exception(failure_); }
      if (consumed_ * settings_.batch >= total()) { return false; }
      Slot& slot = slot_of(consumed_);
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [&] { return slot.pending == 0; });
      }
      collect(slot);
      if (failure_) { continue; }
      bool const any = slot.batch.size() > 0;
      if (any) { std::swap(batch, slot.batch); }
      recycle(slot);
      if (any) { return true; }
    }
  }

  /// Examples of which a batch was made or that were skipped, so far; those before the first batch count as done.
  [[nodiscard]] Index done() const { return std::min(consumed_ * settings_.batch, total()); }

  /// Examples of the whole pass.
  [[nodiscard]] Index total() const { return pass_ ? static_cast<Index>(pass_->order.size()) : examples_.size(); }

  /// One sentence, naming the file, for each picture left out so far.
  [[nodiscard]] std::vector<std::string> const& skipped() const { return skipped_; }

 private:
  struct Slot {
    Batch batch;
    Index first = 0;                           ///< place in the pass of its first example
    Index pending = 0;                         ///< examples not yet done; guarded by the mutex
    std::vector<std::exception_ptr> failures;  ///< per example, empty when it went well
  };

  Loader(Examples examples, Preprocessing const& preprocessing, LoaderSettings const& settings, std::optional<TrainingPass> pass)
      : examples_(std::move(examples)), preprocessing_(preprocessing), settings_(checked(settings)), pass_(std::move(pass)), slots_(static_cast<std::size_t>(settings.prefetch) + 1) {
    if (pass_) { begin(*pass_); }
    for (Index i = 0; i < static_cast<Index>(slots_.size()); ++i) { prepare(slot_of(consumed_ + i), consumed_ + i); }
    int const wanted = settings.threads > 0 ? settings.threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    auto const useful = static_cast<int>(std::min<Index>(wanted, total()));
    try {
      for (int i = 0; i < useful; ++i) {
        workers_.emplace_back([this] { work(); });
      }
    } catch (...) {
      stop();
      throw;
    }
  }

  /// Checks a pass and goes to its first batch.
  void begin(TrainingPass const& pass) {
    for (Index const position : pass.order) {
      if (position < 0 || position >= examples_.size()) { fail<ValueError>("Loader", "position ", position, " of the order lies outside of the ", examples_.size(), " examples"); }
    }
    Index const batches = (total() + settings_.batch - 1) / settings_.batch;
    if (pass.first_batch < 0 || pass.first_batch > batches) { fail<ValueError>("Loader", "the first batch must be one of the ", batches, " (came: ", pass.first_batch, ")"); }
    consumed_ = pass.first_batch;
    taken_ = std::min(consumed_ * settings_.batch, total());
  }

  [[nodiscard]] Slot& slot_of(Index batch) { return slots_[static_cast<std::size_t>(batch % static_cast<Index>(slots_.size()))]; }

  static LoaderSettings checked(LoaderSettings const& settings) {
    if (settings.batch < 1) { fail<ValueError>("Loader", "a batch must have at least one picture (came: ", settings.batch, ")"); }
    if (settings.prefetch < 1) { fail<ValueError>("Loader", "at least one batch must be prefetched (came: ", settings.prefetch, ")"); }
    if (settings.threads < 0) { fail<ValueError>("Loader", "the number of threads must not be negative (came: ", settings.threads, ")"); }
    return settings;
  }

  /// Makes room for batch `number`. No worker looks at the slot meanwhile: its examples are not yet free to take.
  void prepare(Slot& slot, Index number) {
    slot.first = number * settings_.batch;
    Index const count = std::clamp<Index>(total() - slot.first, 0, settings_.batch);
    auto const n = static_cast<std::size_t>(count);
    Shape<4> const shape{count, 3, preprocessing_.height, preprocessing_.width};
    if (slot.batch.images.shape() != shape) { slot.batch.images = Tensor<float, 4>(shape); }
    slot.batch.labels.resize(n);
    slot.batch.ids.resize(n);
    slot.batch.positions.resize(n);
    slot.batch.forms.assign(n, 0);
    slot.failures.assign(n, nullptr);
    slot.pending = count;
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      room_.wait(lock, [this] { return stopping_ || taken_ >= total() || taken_ < (consumed_ + static_cast<Index>(slots_.size())) * settings_.batch; });
      if (stopping_ || taken_ >= total()) { return; }
      Index const place = taken_++;
      Slot& slot = slot_of(place / settings_.batch);
      lock.unlock();
      load(slot, place);
      lock.lock();
      if (--slot.pending == 0) { ready_.notify_one(); }
    }
  }

  void load(Slot& slot, Index place) noexcept {
    Index const row = place - slot.first;
    auto const i = static_cast<std::size_t>(row);
    Index const position = pass_ ? pass_->order[static_cast<std::size_t>(place)] : place;
    try {
      auto const out = slot.batch.images.view()[row];
      if (pass_) {
        auto const picture = static_cast<std::uint64_t>(examples_.indices()[static_cast<std::size_t>(position)]);
        Rng const draws({pass_->seed, Purpose::augmentation, pass_->task, pass_->epoch, picture});
        augment(examples_.image(position), preprocessing_, pass_->augmentation, draws, out);
        slot.batch.forms[i] = pass_->augmentation.form(draws);
      } else {
        preprocess(examples_.image(position), preprocessing_, out);
      }
      slot.batch.labels[i] = examples_.label(position);
      slot.batch.ids[i] = examples_.id(position);
      slot.batch.positions[i] = position;
    } catch (...) { slot.failures[i] = std::current_exception(); }
  }

  /// Takes the failed examples out of a finished batch, or remembers the first failure.
  void collect(Slot& slot) {
    Index kept = 0;
    for (Index row = 0; row < static_cast<Index>(slot.failures.size()); ++row) {
      auto const& failure = slot.failures[static_cast<std::size_t>(row)];
      if (failure) {
        skip(failure);
        if (failure_) { return; }
      } else {
        move_row(slot.batch, row, kept++);
      }
    }
    if (kept == static_cast<Index>(slot.failures.size())) { return; }
    Tensor<float, 4> images({kept, 3, preprocessing_.height, preprocessing_.width});
    std::copy_n(slot.batch.images.data(), images.size(), images.data());
    slot.batch.images = std::move(images);
    slot.batch.labels.resize(static_cast<std::size_t>(kept));
    slot.batch.ids.resize(static_cast<std::size_t>(kept));
    slot.batch.positions.resize(static_cast<std::size_t>(kept));
    slot.batch.forms.resize(static_cast<std::size_t>(kept));
  }

  void skip(std::exception_ptr const& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (FileError const& error) {
      if (settings_.skip_bad) {
        skipped_.emplace_back(error.what());
      } else {
        failure_ = failure;
      }
    } catch (...) { failure_ = failure; }
  }

  static void move_row(Batch& batch, Index from, Index to) {
    if (from == to) { return; }
    auto const f = static_cast<std::size_t>(from);
    auto const t = static_cast<std::size_t>(to);
    auto const source = batch.images.view()[from];
    std::copy(source.begin(), source.end(), batch.images.view()[to].begin());
    batch.labels[t] = batch.labels[f];
    batch.ids[t] = batch.ids[f];
    batch.positions[t] = batch.positions[f];
    batch.forms[t] = batch.forms[f];
  }

  void recycle(Slot& slot) {
    prepare(slot, consumed_ + static_cast<Index>(slots_.size()));
    {
      std::lock_guard const lock(mutex_);
      ++consumed_;
    }
    room_.notify_all();
  }

  void stop() {
    {
      std::lock_guard const lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (std::thread& worker : workers_) { worker.join(); }
    workers_.clear();
  }

  Examples examples_;
  Preprocessing preprocessing_;
  LoaderSettings settings_;
  std::optional<TrainingPass> pass_;
  std::vector<Slot> slots_;
  std::vector<std::string> skipped_;
  std::exception_ptr failure_;
  Index consumed_ = 0;  ///< batches given out; written by the caller under the mutex
  Index taken_ = 0;     ///< examples handed to workers; guarded by the mutex
  bool stopping_ = false;
  std::mutex mutex_;
  std::condition_variable room_;   ///< a batch was given out, or the end has come
  std::condition_variable ready_;  ///< a batch is complete
  std::vector<std::thread> workers_;
};

}  // namespace accrete
