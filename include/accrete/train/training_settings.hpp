#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/augment.hpp>
#include <accrete/train/groups.hpp>
#include <accrete/train/schedule.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// How the rate moves from epoch to epoch.
enum class RateCurve { constant, cosine, multi_step, linear, coda };

/// Numbers of one stage of learning by gradient. The learning rates of a group are  rate * factor,  bent by the curve over the epochs.
struct TrainingSettings {
  Index epochs = 20;
  Index batch = 48;         ///< pictures of one step; unlike the batch of a plain pass it changes what is learned
  Index frozen_epochs = 0;  ///< of every task but the first: so many epochs in which only the head learns, and what learns below it begins with fresh moments afterwards
  bool drop_last = false;   ///< leave out a last batch of an epoch that is not full, unless it is the only one
  double rate = 0.01;
  double minimum_rate = 0.0;  ///< where a cosine ends
  double backbone_factor = 1.0;
  double later_factor = 1.0;  ///< multiplies that of the backbone once more from the second task on
  double trunk_factor = 1.0;  ///< of published values that a tuning moves beside parts of its own
  double head_factor = 1.0;
  double weight_decay = 5e-4;
  RateCurve curve = RateCurve::cosine;
  Index milestone = 18;  ///< epoch at which a multi-step curve multiplies by gamma
  double gamma = 0.1;
  bool keeps_moments = false;  ///< one optimiser for the whole run: a task begins with the moments and steps that the one before ended with, and rows of earlier tasks move on by them
  double clip = 0.0;           ///< largest norm of the gradient of all that learns together; 0: any
  Augmentation augmentation = {};
  std::uint64_t seed = 1993;  ///< of the order of pictures, their augmentation, and dropout

  [[nodiscard]] AnyRate schedule() const {
    switch (curve) {
      case RateCurve::constant: return {ConstantRate{rate}};
      case RateCurve::multi_step: return {MultiStepRate{rate, {milestone}, gamma}};
      case RateCurve::linear: return {LinearRate{rate, epochs}};
      case RateCurve::coda: return epochs < 2 ? AnyRate{ConstantRate{rate}} : AnyRate{CodaRate{rate, epochs}};
      case RateCurve::cosine: break;
    }
    return {CosineRate{rate, epochs, minimum_rate}};
  }

  /// Prompts learn at the base rate.
  /// @param[in] task  number of the task
  [[nodiscard]] std::array<ParameterGroup, 4> groups(Index task) const {
    return {{{.role = "", .weight_decay = weight_decay},
             {.role = "backbone", .rate_factor = task == 0 ? backbone_factor : backbone_factor * later_factor, .weight_decay = weight_decay},
             {.role = "trunk", .rate_factor = trunk_factor, .weight_decay = weight_decay},
             {.role = "head", .rate_factor = head_factor, .weight_decay = weight_decay}}};
  }

  [[nodiscard]] static std::vector<Setting<TrainingSettings>> settings() {
    using T = TrainingSettings;
    double const large = 1e6;
    std::vector<Setting<T>> all{
        number_setting("epochs", "passes over the pictures of a task; 0: none", &T::epochs, Index{0}, Index{1000000}),
        number_setting("batch", "pictures of one training step", &T::batch, Index{1}, Index{1000000}),
        number_setting("frozen-epochs", "first epochs of every task but the first in which only the head learns", &T::frozen_epochs, Index{0}, Index{1000000}),
        choice_setting("drop-last", "leave out a last batch that is not full", &T::drop_last, std::vector<std::pair<std::string, bool>>{{"no", false}, {"yes", true}}),
        number_setting("rate", "learning rate", &T::rate, 0.0, large),
        number_setting("minimum-rate", "rate at which a cosine ends", &T::minimum_rate, 0.0, large),
        number_setting("backbone-factor", "multiplies the rate of the backbone", &T::backbone_factor, 0.0, large),
        number_setting("later-factor", "multiplies that of the backbone once more from the second task on", &T::later_factor, 0.0, large),
        number_setting("trunk-factor", "multiplies the rate of published values that a tuning moves beside parts of its own", &T::trunk_factor, 0.0, large),
        number_setting("head-factor", "multiplies the rate of the head", &T::head_factor, 0.0, large),
        number_setting("weight-decay", "pulls what learns towards zero, per unit of the rate", &T::weight_decay, 0.0, large),
        choice_setting("curve", "how the rate moves over the epochs", &T::curve,
                       std::vector<std::pair<std::string, RateCurve>>{
                           {"constant", RateCurve::constant}, {"cosine", RateCurve::cosine}, {"multi-step", RateCurve::multi_step}, {"linear", RateCurve::linear}, {"coda", RateCurve::coda}}),
        number_setting("milestone", "epoch at which a multi-step curve multiplies by gamma", &T::milestone, Index{0}, Index{1000000}),
        number_setting("gamma", "what a multi-step curve multiplies by", &T::gamma, 0.0, 1.0),
        choice_setting("optimizer-moments", "what an optimiser begins a task with", &T::keeps_moments, std::vector<std::pair<std::string, bool>>{{"fresh", false}, {"kept", true}}),
        number_setting("clip", "largest norm of the gradient; 0: any", &T::clip, 0.0, large)};
    all.push_back(number_setting("training-seed", "draws the order of the pictures, their augmentation, and dropout", &T::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max()));
    for (auto& setting : part_settings(&T::augmentation, Augmentation::settings())) { all.push_back(std::move(setting)); }
    return all;
  }
};

}  // namespace accrete
