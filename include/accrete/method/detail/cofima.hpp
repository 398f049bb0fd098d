#pragma once

#include <accrete/head/aligned.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/method/detail/slow_training.hpp>
#include <accrete/method/detail/tuned.hpp>
#include <accrete/train/gradient_protocol.hpp>

#include <string_view>

namespace accrete::method::detail {

template <class Tuning, class Part>
using CofimaLearning = Tuned<Tuning, NoPrompt, AlignedHead<LinearHead>, GradientProtocol<Trains::every_task, Competing::of_task>, FisherMerge<Part>>;

/// CoFiMA by what of the network moves: SLCA, and behind every task but the first a mean of the network with the one before it, by Fisher information.
/// Of the release, this is not offered: to multiply the rows of a new head by their Fisher information, and to merge old rows by one that is left over from earlier steps.
/// Rows of a head are no part of what a merge rule sees. They stay as stage 1 left them, and the alignment's own rows only score.
/// @tparam Part  which parameters merge (merge/part.hpp)
template <class Tuning, class Part = OfBackbone>
struct Cofima : CofimaLearning<Tuning, Part> {
  using Settings = typename CofimaLearning<Tuning, Part>::Settings;
  static constexpr std::string_view paper = "Marouf et al., Weighted Ensemble Models Are Strong Continual Learners, ECCV 2024, arXiv:2312.08977";

 protected:
  static Settings with(Index epochs, Index milestone, Index batch, Index alignment_epochs, double temperature) {
    Settings settings;
    settings.protocol.training = slow_training(epochs, milestone, batch);
    settings.head.alignment.epochs = alignment_epochs;
    settings.head.alignment.temperature = temperature;
    return settings;
  }
};

}  // namespace accrete::method::detail
