#pragma once

#include <accrete/head/cosine.hpp>
#include <accrete/train/gradient_protocol.hpp>

namespace accrete::method::detail {

/// The first task learns by gradient under a cosine head that is dropped afterwards; later tasks add statistics only.
using FirstTask = GradientProtocol<Trains::first_task, Competing::of_task, TemporaryHead<CosineHead>>;

/// Numbers of the first task's learning as the papers' tables list them; SGD with momentum 0.9, cosine to 0.
[[nodiscard]] inline FirstTask first_task(Index epochs, double rate, Index batch, double weight_decay = 5e-4) {
  FirstTask protocol;
  protocol.training.epochs = epochs;
  protocol.training.rate = rate;
  protocol.training.batch = batch;
  protocol.training.weight_decay = weight_decay;
  return protocol;
}

}  // namespace accrete::method::detail
