#pragma once

#include <accrete/backbone/vit_shape.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/nn/bottleneck.hpp>

#include <functional>
#include <string>

namespace accrete {

/// What a tuning computes beside its parameters.
struct TuningForm {
  nn::BottleneckForm bottleneck = {};
  double low_rank_scale = 1;

  /// One line that says everything.
  [[nodiscard]] std::string text() const {
    return message("bottleneck=", nn::name_of(bottleneck.place), ',', exact_text(bottleneck.scale), ',', name_of(bottleneck.activation), " low_rank_scale=", exact_text(low_rank_scale));
  }
};

/// What a tuning sees of the network it is for.
struct TunedNetwork {
  VitShape shape;
  Index positioned = 0;                                        ///< rows in front of the patches that have a position
  std::function<Vector<float>(std::string const&)> published;  ///< values by canonical name, positions fitted to the images' grid; empty where there are none
};

}  // namespace accrete
