#pragma once

/// Learning by gradient: what moves in a backbone, heads that are trained, losses, optimisers, and protocols. Add it to accrete.hpp or accrete_device.hpp. Whole methods have a header each,
/// method/*.hpp, that includes what it needs.

// IWYU pragma: begin_exports
#include <accrete/backbone/concat.hpp>
#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/head/aligned.hpp>
#include <accrete/head/cosine.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/head/mahalanobis.hpp>
#include <accrete/head/routed.hpp>
#include <accrete/head/subspace.hpp>
#include <accrete/head/task_voting.hpp>
#include <accrete/learner.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/merge/periodic_average.hpp>
#include <accrete/merge/pull_to_mean.hpp>
#include <accrete/merge/wise.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/adamw.hpp>
#include <accrete/train/gradient/agem.hpp>
#include <accrete/train/gradient/gem.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/train/loss/energy_anchor.hpp>
#include <accrete/train/loss/orthogonal_cross_entropy.hpp>
#include <accrete/train/loss/reverse_cross_entropy.hpp>
#include <accrete/train/mixup.hpp>
#include <accrete/train/sgd.hpp>
#include <accrete/train/term/anchor.hpp>
#include <accrete/train/term/feature_distillation.hpp>
#include <accrete/train/term/logit_distillation.hpp>
#include <accrete/train/term/with_terms.hpp>
#include <accrete/tuning/bottleneck.hpp>
#include <accrete/tuning/class_attention.hpp>
#include <accrete/tuning/frozen.hpp>
#include <accrete/tuning/full.hpp>
#include <accrete/tuning/lora.hpp>
#include <accrete/tuning/ssf.hpp>
// IWYU pragma: end_exports
