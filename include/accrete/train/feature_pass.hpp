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

/// One pass over examples with `run`, which turns a batch into features [B, D] in the executor's memory; arguments as `extract_features`.
template <class Exec, class Backbone, class Run>
[[nodiscard]] FeatureSet run_over(Exec const& exec, Backbone const& backbone, Examples const& examples, Reading const& reading, Run const& run) {
  FeatureKey const key{backbone.hash(), backbone.preprocessing().text(), message(Exec::name, '/', name_of(exec.precision))};
  Index const total = examples.size();
  Matrix<float> rows({total, backbone.width()});
  std::vector<Index> const missing = missing_features(reading.cache, key, examples, rows.view());
  std::vector<bool> filled(static_cast<std::size_t>(total), true);
  for (Index const i : missing) { filled[static_cast<std::size_t>(i)] = false; }

  Loader loader(examples.subset(missing), backbone.preprocessing(), {.batch = reading.batch, .threads = reading.loader_threads, .skip_bad = reading.skip_bad});
  Batch batch;
  while (loader.next(batch)) {
    auto const features = run(batch, missing);
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
  set.features = kept_rows(std::move(rows), set.positions);
  set.skipped = loader.skipped();
  return set;
}

/// The rows of a batch's pictures out of those of all; empty when one is not there.
/// @param[in] known  by position;  @param[in] missing  positions of the pass's pictures
[[nodiscard]] inline Matrix<float> rows_of_batch(FeatureSet const& known, Batch const& batch, std::vector<Index> const& missing) {
  Matrix<float> rows({static_cast<Index>(batch.positions.size()), known.features.extent(1)});
  for (std::size_t b = 0; b < batch.positions.size(); ++b) {
    Index const position = missing[static_cast<std::size_t>(batch.positions[b])];
    auto const place = std::lower_bound(known.positions.begin(), known.positions.end(), position);
    if (place == known.positions.end() || *place != position) { return {}; }
    auto const row = known.features.cview()[place - known.positions.begin()];
    std::copy(row.begin(), row.end(), rows.view()[static_cast<Index>(b)].begin());
  }
  return rows;
}
}  // namespace detail

/// Bends a pass by what the features of the plain network say.
template <class B>
concept TakesQueries = requires(B const& backbone) {
  backbone.plain();
  B::takes_queries;
};

/// One pass of a backbone over examples.
/// Rows found in `reading.cache` are not computed again; new ones are put into it. So it is with queries and `reading.query_cache`.
/// @throws FileError for a picture that cannot be read, unless it may be skipped;  ValueError for a batch below 1
template <class Exec, class Backbone>
[[nodiscard]] FeatureSet extract_features(Exec const& exec, Backbone const& backbone, Examples const& examples, Reading const& reading = {}) {
  FeatureSet queries;
  if constexpr (TakesQueries<Backbone>) {
    if (reading.query_cache != nullptr) {
      Reading plain = reading;
      plain.cache = reading.query_cache;
      plain.progress = {};
      queries = extract_features(exec, backbone.plain(), examples, plain);
    }
  }
  return detail::run_over(exec, backbone, examples, reading, [&](Batch const& batch, [[maybe_unused]] std::vector<Index> const& missing) {
    if constexpr (TakesQueries<Backbone>) {
      return backbone.features_of(exec, batch.images.cview(), detail::rows_of_batch(queries, batch, missing).cview());
    } else {
      return backbone.features(exec, batch.images.cview());
    }
  });
}

/// Features of the same examples by several networks, all of one width: those of a picture side by side. Each is found in the cache by itself, so that one that
/// stands still is not run again.
/// @throws FileError, ValueError  as `extract_features`
template <class Exec, class Backbone>
[[nodiscard]] FeatureSet extract_side_by_side(Exec const& exec, std::vector<Backbone> const& networks, Examples const& examples, Reading const& reading = {}) {
  FeatureSet all;
  for (std::size_t n = 0; n < networks.size(); ++n) {
    FeatureSet own = extract_features(exec, networks[n], examples, reading);
    Index const width = own.features.extent(1);
    if (n == 0) {
      all.features = Matrix<float>({own.features.extent(0), width * static_cast<Index>(networks.size())});
      all.positions = std::move(own.positions);
      all.skipped = std::move(own.skipped);
    }
    for (Index i = 0; i < all.features.extent(0); ++i) { std::copy(own.features[i].begin(), own.features[i].end(), all.features.data() + i * all.features.extent(1) + static_cast<Index>(n) * width); }
  }
  return all;
}

}  // namespace accrete
