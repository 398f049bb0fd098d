#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/network.hpp"

#include <accrete/prompt/key_query.hpp>
#include <accrete/prompt/query/tokens.hpp>
#include <accrete/train/prompted.hpp>
#include <accrete/train/query_source.hpp>
#include <accrete/train/tuned_part.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace accrete::test::query_test {

namespace {

template <class Query>
using Pool = KeyQueryPrompt<Prefix, TopK, LearnedKeys, Instance, GrowingPool, NoGeneral, Query>;

/// What `read` makes of the tokens, and every way to it.
template <class Query, class Read>
void check_queries(Read const& read) {
  NetworkCase const network = network_cases().front();
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec{.threads = 2};
  auto const images = network.images();
  auto const tokens = vit.embed(exec, images.cview());
  Matrix<float> want({images.extent(0), vit.width()});
  for (Index b = 0; b < want.extent(0); ++b) {
    for (Index d = 0; d < want.extent(1); ++d) { want(b, d) = read(tokens.cview()[b], d); }
  }

  Pool<Query> const prompt{.pool = 4, .placement = {.length = 2, .first = 1, .blocks = 1}, .selector = {.count = 2}, .initial = {.low = -1.0, .high = 1.0}};
  typename Pool<Query>::State state;
  prompt.fit_place(state, prompt_place(vit));
  prompt.begin_task(state, {});
  Prompted const prompted(vit, prompt, state);
  auto const queries = prompted.plain().features(exec, images.cview());
  CHECK(relative_difference(queries, want) <= 1e-6);
  CHECK(prompted.plain().hash() != vit.hash());

  QuerySource<HostExecutor<>, Vit<>, Query> source(exec, vit, prompt.first_block(state), images.extent(0));
  CHECK(source.first_block() == 0);
  CHECK(same_bits(source(images.cview(), {}), queries.cview()));
  CHECK(same_bits(source.tokens(), tokens.cview()));

  auto const features = prompted.features(exec, images.cview());
  CHECK(same_bits(features.cview(), prompted.features_of(exec, images.cview(), queries.cview()).cview()));
  CHECK_FALSE(same_bits(features.cview(), vit.features(exec, images.cview()).cview()));
}

}  // namespace

TEST_CASE("a picture may ask by the mean of its tokens") {
  check_queries<MeanTokenQuery>([](MatrixView<float const> tokens, Index d) {
    double sum = 0.0;
    for (Index t = 0; t < tokens.extent(0); ++t) { sum += static_cast<double>(tokens(t, d)); }
    return static_cast<float>(sum / static_cast<double>(tokens.extent(0)));
  });
}

TEST_CASE("a picture may ask by the largest of its tokens") {
  check_queries<MaxTokenQuery>([](MatrixView<float const> tokens, Index d) {
    float largest = tokens(0, d);
    for (Index t = 1; t < tokens.extent(0); ++t) { largest = std::max(largest, tokens(t, d)); }
    return largest;
  });
}

TEST_CASE("queries that are kept have the bits of those computed anew") {
  NetworkCase const network = network_cases().front();
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec{.threads = 2};
  auto const images = network.images();
  std::vector<Index> positions;
  for (Index b = 0; b < images.extent(0); ++b) { positions.push_back(images.extent(0) - 1 - b); }
  QuerySource<HostExecutor<>, Vit<>> source(exec, vit, 1, images.extent(0));
  auto const fresh = vit.features(exec, images.cview());
  for (int pass = 0; pass < 3; ++pass) { CHECK(same_bits(source(images.cview(), positions), fresh.cview())); }
}

}  // namespace accrete::test::query_test
