#pragma once

/// What knows no executor: shared by accrete.hpp and accrete_device.hpp, and plain enough for nvcc. What learns by gradient is in training.hpp.

// IWYU pragma: begin_exports
#include <accrete/backbone/vit.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/cifar.hpp>
#include <accrete/data/feature_cache.hpp>
#include <accrete/data/loader.hpp>
#include <accrete/head/gaussian.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/head/ridge.hpp>
#include <accrete/io/checkpoint.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/io/result.hpp>
#include <accrete/io/safetensors.hpp>
#include <accrete/learner.hpp>
#include <accrete/method/ranpac.hpp>
#include <accrete/method/simple_cil.hpp>
#include <accrete/metric/accuracy.hpp>
#include <accrete/metric/resources.hpp>
#include <accrete/stream/stream.hpp>
#include <accrete/version.hpp>
// IWYU pragma: end_exports
