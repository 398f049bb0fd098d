#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/host/host.hpp>
#include <accrete/prompt/bundle.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/learning_part.hpp>
#include <accrete/train/sgd.hpp>

/// What nearly every method is made of, compiled once in instances.cpp instead of in each of their units.
#if !defined(ACCRETE_INSTANCE)
#define ACCRETE_INSTANCE extern template
#endif

namespace accrete {

ACCRETE_INSTANCE class VitPass<HostExecutor<>>;
ACCRETE_INSTANCE class nn::Block<HostExecutor<>>;

ACCRETE_INSTANCE class VitTraining<HostExecutor<>, float>;
ACCRETE_INSTANCE class VitTraining<HostExecutor<>, bfloat16>;
ACCRETE_INSTANCE void VitTraining<HostExecutor<>, float>::forward<NoHook>(TensorView<float const, 4>, NoHook&, MatrixView<float>, RngKey const&, bool);
ACCRETE_INSTANCE void VitTraining<HostExecutor<>, bfloat16>::forward<NoHook>(TensorView<float const, 4>, NoHook&, MatrixView<float>, RngKey const&, bool);
ACCRETE_INSTANCE void VitTraining<HostExecutor<>, float>::backward<NoHook>(MatrixView<float const>, NoHook&, Accumulates);
ACCRETE_INSTANCE void VitTraining<HostExecutor<>, bfloat16>::backward<NoHook>(MatrixView<float const>, NoHook&, Accumulates);
ACCRETE_INSTANCE void VitTraining<HostExecutor<>, float>::forward_behind<LearningBundleHook<HostExecutor<>>>(TensorView<float const, 3>, Index, LearningBundleHook<HostExecutor<>>&, MatrixView<float>,
                                                                                                             RngKey const&, bool);
ACCRETE_INSTANCE void VitTraining<HostExecutor<>, bfloat16>::forward_behind<LearningBundleHook<HostExecutor<>>>(TensorView<float const, 3>, Index, LearningBundleHook<HostExecutor<>>&,
                                                                                                                MatrixView<float>, RngKey const&, bool);
ACCRETE_INSTANCE void VitTraining<HostExecutor<>, float>::backward<LearningBundleHook<HostExecutor<>>>(MatrixView<float const>, LearningBundleHook<HostExecutor<>>&, Accumulates);
ACCRETE_INSTANCE void VitTraining<HostExecutor<>, bfloat16>::backward<LearningBundleHook<HostExecutor<>>>(MatrixView<float const>, LearningBundleHook<HostExecutor<>>&, Accumulates);
ACCRETE_INSTANCE void VitPass<HostExecutor<>>::features_hooked<BundleHook<HostExecutor<>>>(TensorView<float const, 3>, BundleHook<HostExecutor<>>&, MatrixView<float>, Index) const;
ACCRETE_INSTANCE class VitTrainer<HostExecutor<>>;

ACCRETE_INSTANCE class LearningPart<Sgd>;
ACCRETE_INSTANCE class LearningPart<Adam>;

}  // namespace accrete
