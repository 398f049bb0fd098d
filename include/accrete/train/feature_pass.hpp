#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/data/feature_cache.hpp>
#include <accrete/data/loader.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/train/reading.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// Features of examples, one row each, in the order of the examples.
struct FeatureSet {
  Matrix<float> features;            ///< [N, D]
  std::vector<Index> positions;      ///< [N] which example a row belongs to
  std::vector<std::string> skipped;  ///< pictures that were left out, and why
};

namespace detail {

/// Copies what the cache knows into `rows` and returns the examples it does not know.
template <class Key>
[[nodiscard]] std::vector<Index> missing_features(FeatureCache* cache, Key const& key, Examples const& examples, MatrixView<float> rows) {
  std::vector<Index> missing;
  for (Index i = 0; i < examples.size(); ++i) {
    bool found = false;
    try {
      found = cache != nullptr && cache->find(key, examples.id(i), rows[i]);
    } catch (FileError const&) {
      // The loader will meet the same file, and knows whether it may be skipped.
    }
    if (!found) { missing.push_back(i); }
  }
  return missing;
}

/// The rows that were filled, in their order.
[[nodiscard]] inline Matrix<float> kept_rows(Matrix<float> rows, std::vector<Index> const& kept) {
  if (static_cast<Index>(kept.size()) == rows.extent(0)) { return rows; }
  Matrix<float> fewer({static_cast<Index>(kept.size()), rows.extent(1)});
  for (std::size_t k = 0; k < kept.size(); ++k) {
    auto const row = rows.view()[kept[k]];
    std::copy(row.begin(), row.end(), fewer.view()[static_cast<Index>(k)].begin());
  }
  return fewer;
}

}  // namespace detail

/// One pass of a plain backbone over examples.
/// Rows found in `reading.cache` are not computed again; new ones are put into it.
/// @throws FileError for a picture that cannot be read, unless it may be skipped;  ValueError for a batch below 1
template <class Exec, class Backbone>
[[nodiscard]] FeatureSet extract_features(Exec const& exec, Backbone const& backbone, Examples const& examples, Reading const& reading = {}) {
  FeatureKey const key{backbone.hash(), backbone.preprocessing().text(), message(Exec::name, '/', name_of(exec.precision))};
  Index const total = examples.size();
  Matrix<float> rows({total, backbone.width()});
  std::vector<Index> const missing = detail::missing_features(reading.cache, key, examples, rows.view());
  std::vector<bool> filled(static_cast<std::size_t>(total), true);
  for (Index const i : missing) { filled[static_cast<std::size_t>(i)] = false; }

  Loader loader(examples.subset(missing), backbone.preprocessing(), {.batch = reading.batch, .threads = reading.loader_threads, .skip_bad = reading.skip_bad});
  Batch batch;
  while (loader.next(batch)) {
    auto const features = backbone.features(exec, batch.images.cview());
    Matrix<float> host(features.shape());
    kernels::download(exec, features.cview(), host.view());
    for (std::size_t b = 0; b < batch.positions.size(); ++b) {
      Index const i = missing[static_cast<std::size_t>(batch.positions[b])];
      auto const row = host.view()[static_cast<Index>(b)];
      std::copy(row.begin(), row.end(), rows.view()[i].begin());
      filled[static_cast<std::size_t>(i)] = true;
      if (reading.cache != nullptr) { reading.cache->insert(key, batch.ids[b], row); }
    }
    if (reading.progress) { reading.progress(total - static_cast<Index>(missing.size()) + loader.done(), total); }
  }

  FeatureSet set;
  for (Index i = 0; i < total; ++i) {
    if (filled[static_cast<std::size_t>(i)]) { set.positions.push_back(i); }
  }
  set.features = detail::kept_rows(std::move(rows), set.positions);
  set.skipped = loader.skipped();
  return set;
}

/// The features of several networks side by side. Each is found in the cache by itself, so that one that stands still is not run again.
/// @throws FileError, ValueError  as `extract_features`
template <class Exec, class Backbone>
[[nodiscard]] FeatureSet extract_side_by_side(Exec const& exec, std::vector<Backbone> const& networks, Examples const& examples, Reading const& reading = {}) {
  FeatureSet all;
  for (std::size_t n = 0; n < networks.size(); ++n) {
    FeatureSet part = extract_features(exec, networks[n], examples, reading);
    Index const width = part.features.extent(1);
    if (n == 0) {
      all.features = Matrix<float>({part.features.extent(0), width * static_cast<Index>(networks.size())});
      all.positions = std::move(part.positions);
      all.skipped = std::move(part.skipped);
    }
    for (Index i = 0; i < all.features.extent(0); ++i) {
      std::copy(part.features[i].begin(), part.features[i].end(), all.features.data() + i * all.features.extent(1) + static_cast<Index>(n) * width);
    }
  }
  return all;
}

}  // namespace accrete
