#include "prompt_methods.hpp"
#include "support/compare.hpp"

#include <accrete/data/feature_cache.hpp>
#include <accrete/data/loader.hpp>
#include <accrete/train/query_source.hpp>
#include <accrete/tuning/bottleneck.hpp>
#include <accrete/tuning/frozen.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::test::prompt_queries_test {

namespace {

HostExecutor<> const exec{.threads = 2};

#define ACCRETE_ASKING_METHODS ACCRETE_POOL_METHODS, method::CodaPrompt, method::CodaSparsemax, method::Dap

Tensor<float, 4> images_at(Examples const& pictures, std::vector<Index> const& positions) {
  Loader loader(pictures.subset(positions), small_vit().preprocessing(), {.batch = static_cast<Index>(positions.size())});
  Batch batch;
  REQUIRE(loader.next(batch));
  return std::move(batch.images);
}

Matrix<float> copied(MatrixView<float const> from) {
  Matrix<float> to(from.shape());
  std::copy(from.begin(), from.end(), to.begin());
  return to;
}

/// Under what the queries of a learner lie in a cache.
template <class Network>
FeatureKey key_of(Network const& network) {
  return {network.hash(), network.preprocessing().text(), message(HostExecutor<>::name, '/', name_of(exec.precision))};
}

Reading with_cache(FeatureCache& cache) {
  Reading reading = in_batches(7);
  reading.cache = &cache;
  return reading;
}

/// Pictures of which two cannot be read.
Examples with_bad_ones(Examples const& pictures) {
  Source source;
  source.class_names = pictures.class_names();
  for (Index i = 0; i < pictures.size(); ++i) { source.labels.push_back(pictures.label(i)); }
  source.image = [pictures](Index i) {
    if (i == 2 || i == 11) { fail<FileError>("picture", i, " is broken"); }
    return pictures.image(i);
  };
  source.id = [pictures](Index i) { return pictures.id(i); };
  source.where = [pictures](Index i) { return pictures.where(i); };
  return Examples(std::move(source));
}

}  // namespace

TEST_CASE_TEMPLATE("queries that are kept are those that would be computed again, bit for bit", Tuning, Frozen, Bottleneck) {
  auto const network = [] {
    if constexpr (std::is_same_v<Tuning, Frozen>) {
      return small_vit();
    } else {
      return Vit<Tuning>(small_vit(), {.width = 4}, {.seed = 3, .purpose = Purpose::initialisation});
    }
  }();
  Examples const pictures = first_task();
  for (Index const first : {Index{0}, Index{2}}) {
    CAPTURE(first);
    QuerySource kept(exec, network, first, pictures.size());
    QuerySource fresh(exec, network, first, 0);
    static_cast<void>(kept(images_at(pictures, {2, 7}).cview(), std::vector<Index>{2, 7}));  // so that the first batch knows some
    for (Index epoch = 0; epoch < 3; ++epoch) {
      auto const order = Rng({.seed = 1, .purpose = Purpose::shuffle, .epoch = static_cast<std::uint32_t>(epoch)}).permutation(pictures.size());
      for (std::size_t begin = 0; begin < order.size(); begin += 5) {
        std::vector<Index> const positions(order.begin() + static_cast<std::ptrdiff_t>(begin), order.begin() + static_cast<std::ptrdiff_t>(std::min(begin + 5, order.size())));
        auto const images = images_at(pictures, positions);
        Matrix<float> const wanted = copied(fresh(images.cview(), positions));
        CHECK(same_bits(kept(images.cview(), positions), wanted));
        CHECK(same_bits(small_vit().features(exec, images.cview()), wanted));
        if constexpr (decltype(kept)::shares_front) { CHECK(same_bits(kept.tokens(), fresh.tokens())); }
      }
    }
    // What is known is not computed again, but what the bent pass begins with is of the pictures at hand.
    auto const known = images_at(pictures, {4, 5});
    auto const others = images_at(second_task(), {0, 1});
    std::vector<Index> const positions{4, 5};
    Matrix<float> const before = copied(kept(known.cview(), positions));
    CHECK(same_bits(kept(others.cview(), positions), before));
    Matrix<float> const of_others = copied(fresh(others.cview(), positions));
    if constexpr (decltype(kept)::shares_front) { CHECK(same_bits(kept.tokens(), fresh.tokens())); }
    CHECK(same_bits(kept(others.cview(), {}), of_others));
    CHECK(same_bits(kept(known.cview(), positions), before));
  }
}

TEST_CASE_TEMPLATE("learning with queries that are kept ends with the bits of learning without", Method, ACCRETE_ASKING_METHODS) {
  for (double const flip : {0.0, 0.5}) {
    CAPTURE(flip);
    auto settings = small_settings<Method>(3);
    Augmentation& augmentation = settings.protocol.training.augmentation;
    augmentation = Augmentation::none();
    augmentation.flip = flip;
    auto keeping = Method::compose(small_vit(), settings, 5);
    augmentation.brightness = 1e-300;  // changes nothing, but might: nothing is kept
    REQUIRE(augmentation.forms() == 0);
    auto computing = Method::compose(small_vit(), settings, 5);
    for (Examples const& task : {first_task(), second_task()}) {
      learn<Method>(keeping, task);
      learn<Method>(computing, task);
    }
    CHECK(keeping.prompt_state().parameters() == computing.prompt_state().parameters());
    CHECK(keeping.head_state().parameters() == computing.head_state().parameters());
    CHECK(same_bits(answers<Method>(keeping, unseen_pictures()), answers<Method>(computing, unseen_pictures())));
  }
}

TEST_CASE_TEMPLATE("a cache changes no bit of learning and answering, and it is asked", Method, ACCRETE_ASKING_METHODS, ACCRETE_VOTING_METHODS) {
  TemporaryFolder const folder;
  FeatureCache cache;
  auto without = Method::compose(small_vit(), choosing_settings<Method>(), 5);
  auto with = Method::compose(small_vit(), choosing_settings<Method>(), 5);
  learn<Method>(without, first_task(), {}, in_batches(7));
  learn<Method>(with, first_task(), {}, with_cache(cache));
  learn<Method>(without, second_task(), {}, in_batches(7));
  learn<Method>(with, second_task(), {}, with_cache(cache));
  CHECK((model_bytes(with, folder / "with") == model_bytes(without, folder / "without")));
  auto const asked = Prompted(with.backbone(), with.prompt(), with.prompt_state()).plain();
  CHECK(cache.size(key_of(asked)) == first_task().size() + second_task().size());

  Examples const pictures = unseen_pictures();
  Matrix<float> const wanted = answers<Method>(without, pictures, in_batches(7));
  static_cast<void>(answers<Method>(with, pictures.subset({3, 8, 12}), with_cache(cache)));  // so that some are known
  CHECK(same_bits(answers<Method>(with, pictures, with_cache(cache)), wanted));
  CHECK(same_bits(answers<Method>(with, pictures, with_cache(cache)), wanted));

  FeatureCache lying;
  Matrix<float> opposite = extract_features(exec, asked, pictures).features;
  for (float& value : opposite) { value = -value; }
  for (Index i = 0; i < pictures.size(); ++i) { lying.insert(key_of(asked), pictures.id(i), opposite.cview()[i]); }
  CHECK(!same_bits(answers<Method>(with, pictures, with_cache(lying)), wanted));
}

TEST_CASE_TEMPLATE("pictures that cannot be read take no other picture's query", Method, method::L2p, method::Dualprompt, method::CodaPrompt, method::Dap) {
  auto learner = Method::compose(small_vit(), choosing_settings<Method>(), 5);
  learn<Method>(learner, first_task());
  learn<Method>(learner, second_task());
  Examples const pictures = unseen_pictures();
  if constexpr (requires { learner.chosen_slots(exec, pictures); }) { REQUIRE(differ(learner.chosen_slots(exec, pictures).slots)); }
  std::vector<Index> good;
  for (Index i = 0; i < pictures.size(); ++i) {
    if (i != 2 && i != 11) { good.push_back(i); }
  }
  Matrix<float> const wanted = answers<Method>(learner, pictures.subset(good));
  FeatureCache cache;
  Reading reading = with_cache(cache);
  reading.skip_bad = true;
  CHECK(same_bits(answers<Method>(learner, with_bad_ones(pictures), reading), wanted));
  CHECK(same_bits(answers<Method>(learner, with_bad_ones(pictures), reading), wanted));
}

}  // namespace accrete::test::prompt_queries_test
