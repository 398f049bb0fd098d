#pragma once

#include <accrete/train/training_settings.hpp>

namespace accrete::method::detail {

/// A network that learns a hundred times more slowly than its head, at a rate that falls once, as SLCA and CoFiMA have it.
[[nodiscard]] inline TrainingSettings slow_training(Index epochs, Index milestone, Index batch) {
  TrainingSettings training;
  training.epochs = epochs;
  training.batch = batch;
  training.rate = 0.01;
  training.backbone_factor = 0.01;
  training.curve = RateCurve::multi_step;
  training.milestone = milestone;
  return training;
}

}  // namespace accrete::method::detail
