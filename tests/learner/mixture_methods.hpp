#pragma once

#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/method/cofima.hpp>
#include <accrete/method/cofima_lora.hpp>
#include <accrete/method/esn.hpp>
#include <accrete/method/lae_adapter.hpp>
#include <accrete/method/lae_lora.hpp>
#include <accrete/method/lae_prefix.hpp>

#include <type_traits>
#include <vector>

/// The mixture methods on the small golden network (3 blocks, D = 36), with little to do.
namespace accrete::test {

#define ACCRETE_AVERAGING_METHODS method::LaeAdapter, method::LaeLora, method::LaePrefix
#define ACCRETE_MIXTURE_METHODS ACCRETE_AVERAGING_METHODS, method::Cofima, method::CofimaLora, method::Esn

/// The published settings with few epochs and batches of five; what averages does so fast enough to show.
template <class Method>
[[nodiscard]] auto mixture_settings(Index epochs = 2) {
  auto settings = Method::standard();
  settings.protocol.training.epochs = epochs;
  settings.protocol.training.batch = 5;
  settings.protocol.training.rate = 0.02;
  if constexpr (requires { settings.merge.decay; }) {
    settings.merge.decay = 0.8;
    settings.protocol.training.frozen_epochs = 1;
    settings.protocol.training.drop_last = false;
  }
  if constexpr (requires { settings.head.alignment; }) {
    settings.head.alignment.epochs = 1;
    settings.head.alignment.rows = 8;
    settings.protocol.training.backbone_factor = 0.1;
  }
  if constexpr (std::is_same_v<Method, method::Esn>) { settings.prompt.length = 3; }
  return settings;
}

template <class Method>
[[nodiscard]] auto mixture_learner(Index epochs = 2) {
  return Method::compose(small_vit(), mixture_settings<Method>(epochs), 5);
}

}  // namespace accrete::test
