#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <chrono>
#include <filesystem>
#include <functional>

namespace accrete {

/// Learning was asked to stop and has kept where it was; the learner is what it was before the task.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// Where learning by gradient keeps itself, so that after an interruption at any moment it goes on with the same bits.
/// The file is written whole or not at all. What it holds names the task, its pictures and every setting it belongs to; a file of anything else is not used.
struct TrainingCheckpoint {
  std::filesystem::path file;
  double every_seconds = 30.0;  ///< between two writings
  Index every_steps = 0;        ///< besides, after so many steps; 0: by time alone
  std::function<bool()> stop;   ///< asked after every step; true: write and throw `Interrupted`

  [[nodiscard]] bool wants_to_stop() const { return stop && stop(); }
};

/// Says when the next writing is due.
class CheckpointClock {
 public:
  explicit CheckpointClock(TrainingCheckpoint const& checkpoint) : checkpoint_(checkpoint) {}

  /// @returns whether to write after this step
  [[nodiscard]] bool is_due(Index step) {
    bool const by_steps = checkpoint_.every_steps > 0 && step % checkpoint_.every_steps == 0;
    bool const by_time = std::chrono::duration<double>(Clock::now() - last_).count() >= checkpoint_.every_seconds;
    if (by_steps || by_time) { last_ = Clock::now(); }
    return by_steps || by_time;
  }

 private:
  using Clock = std::chrono::steady_clock;

  TrainingCheckpoint const& checkpoint_;
  Clock::time_point last_ = Clock::now();
};

/// How far a stage of learning by gradient is.
struct TrainingProgress {
  Index epoch = 0;  ///< from 0
  Index epochs = 0;
  Index batch = 0;  ///< batches done in this epoch
  Index batches = 0;
  double loss = 0.0;  ///< mean over the samples of this epoch so far
};

/// What a caller wants to be told and kept while a learner learns by gradient.
struct TrainingRun {
  std::function<void(TrainingProgress const&)> progress;
  TrainingCheckpoint const* checkpoint = nullptr;
};

}  // namespace accrete
