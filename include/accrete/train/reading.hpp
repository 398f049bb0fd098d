#pragma once

#include <accrete/core/tensor.hpp>

#include <functional>

namespace accrete {

class FeatureCache;

/// How a pass over pictures reads them.
struct Reading {
  Index batch = 64;  ///< pictures per pass of the backbone; changes the speed, never a result; only a prompt whose pictures vote answers each batch together
  int loader_threads = 1;
  bool skip_bad = false;  ///< leave out pictures that cannot be read, and list them, instead of stopping
  FeatureCache* cache = nullptr;
  FeatureCache* query_cache = nullptr;  ///< of the features in the plain network, where a prompt asks for them
  std::function<void(Index done, Index total)> progress = {};
};

}  // namespace accrete
