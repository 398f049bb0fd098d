#include "support/executors.hpp"
#include "support/vit_checks.hpp"

#include <accrete/backbone/vit.hpp>

#include <doctest/doctest.h>

#include <set>
#include <thread>

namespace accrete::test::vit_test {

TEST_CASE_TEMPLATE("features and the tokens after each block are those of the reference", Exec, ACCRETE_HOST_EXECUTORS) {
  check_golden_networks(Exec{});
  check_golden_networks(Exec{.precision = Precision::bfloat16});
}

TEST_CASE_TEMPLATE("prefixes and prompts give what the reference gives", Exec, ACCRETE_HOST_EXECUTORS) {
  check_golden_prompts(Exec{});
  check_golden_prompts(Exec{.precision = Precision::bfloat16});
}

TEST_CASE_TEMPLATE("an image's feature has the same bits alone, in any batch, in any order, with any threads", Exec, ACCRETE_HOST_EXECUTORS) {
  for (char const* const name : {"plain", "distilled", "options", "rectangle"}) {
    CAPTURE(name);
    auto const network = network_case(name);
    auto const vit = Vit<>::load(network.weights, network.options());
    for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
      CAPTURE(name_of(precision));
      check_same_bits(vit, std::vector<Exec>{{.threads = 1, .precision = precision}, {.threads = 2, .precision = precision}});
    }
  }
}

TEST_CASE_TEMPLATE("the shipped network gives the same bits in any batch", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const vit = Vit<>::load(ACCRETE_SHIPPED_WEIGHTS);
  CHECK(vit.width() == 192);
  CHECK(vit.heads() == 3);
  for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
    CAPTURE(name_of(precision));
    check_same_bits(vit, std::vector<Exec>{{.threads = 1, .precision = precision}, {.threads = 2, .precision = precision}});
  }
}

TEST_CASE_TEMPLATE("a hook that gives nothing leaves the bits of the plain pass", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const network = network_case("plain");
  auto const vit = Vit<>::load(network.weights, network.options());
  Exec const exec;
  auto const tokens = vit.embed(exec, network.images());
  CHECK(same_bits(vit.forward(exec, tokens, TableHook<Exec>{}), vit.forward(exec, tokens)));
}

namespace {

/// Says what it was asked, and in which order.
struct AskedHook {
  std::vector<Index> tokens_asked;
  std::vector<Index> prefix_asked;
  std::vector<Index> observed;
  std::vector<Index> lengths;
  Tensor<float, 3> rows{Shape<3>{1, 2, 36}};

  Injects kind(Index block) { return block == 1 ? Injects::tokens : Injects::nothing; }
  TokenInjection tokens(Index block, TensorView<float const, 3> hidden) {
    tokens_asked.push_back(block);
    lengths.push_back(hidden.extent(1));
    return {rows.cview(), 3, TokenInjection::How::insert};
  }
  PrefixInjection prefix(Index block) {
    prefix_asked.push_back(block);
    return {};
  }
  void observe(Index block, TensorView<float const, 3> tokens) {
    observed.push_back(block);
    lengths.push_back(tokens.extent(1));
  }
};

}  // namespace

TEST_CASE("a hook is asked once per block, only for what it says it gives, and sees the tokens") {
  auto const network = network_case("plain");
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec;
  AskedHook hook;
  std::fill(hook.rows.begin(), hook.rows.end(), 0.01F);
  auto const tokens = vit.forward(exec, vit.embed(exec, network.images()), hook);
  CHECK(hook.tokens_asked == std::vector<Index>{1});
  CHECK(hook.prefix_asked.empty());
  CHECK(hook.observed == std::vector<Index>{0, 1, 2});
  CHECK(hook.lengths == std::vector<Index>{17, 17, 19, 19});
  CHECK(tokens.shape() == Shape<3>{3, 19, 36});
}

TEST_CASE("a prefix for each sequence equals the same prefix shared") {
  auto const network = network_case("plain");
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec;
  auto const tokens = vit.embed(exec, network.images());
  Tensor<float, 3> one({1, 4, 36});
  for (Index i = 0; i < one.size(); ++i) { one.data()[i] = 0.1F * static_cast<float>(i % 13) - 0.5F; }
  Tensor<float, 3> each({3, 4, 36});
  for (Index b = 0; b < 3; ++b) { std::copy(one.begin(), one.end(), each[b].begin()); }
  TableHook<HostExecutor<>> shared;
  shared.prefixes.emplace_back(one, one);
  TableHook<HostExecutor<>> own;
  own.prefixes.emplace_back(each, each);
  CHECK(same_bits(vit.forward(exec, tokens, shared), vit.forward(exec, tokens, own)));
  CHECK_FALSE(same_bits(vit.forward(exec, tokens, shared), vit.forward(exec, tokens)));
}

TEST_CASE("what a hook gives must fit the network") {
  auto const network = network_case("plain");
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec;
  auto const tokens = vit.embed(exec, network.images());
  TableHook<HostExecutor<>> two_of_three;
  two_of_three.prefixes.emplace_back(Tensor<float, 3>::zeros({2, 4, 36}), Tensor<float, 3>::zeros({2, 4, 36}));
  CHECK_THROWS_WITH_AS(static_cast<void>(vit.forward(exec, tokens, two_of_three)), doctest::Contains("prefix keys and values of block 0 must be [1 or 3, P, 36]"), ShapeError);
  TableHook<HostExecutor<>> uneven;
  uneven.prefixes.emplace_back(Tensor<float, 3>::zeros({1, 4, 36}), Tensor<float, 3>::zeros({1, 5, 36}));
  CHECK_THROWS_AS(static_cast<void>(vit.forward(exec, tokens, uneven)), ShapeError);
  TableHook<HostExecutor<>> narrow;
  narrow.rows.push_back(Tensor<float, 3>::zeros({1, 4, 35}));
  CHECK_THROWS_AS(static_cast<void>(vit.forward(exec, tokens, narrow)), ShapeError);
}

TEST_CASE("images and tokens of another size are refused with the sizes") {
  auto const network = network_case("plain");
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec;
  CHECK_THROWS_WITH_AS(static_cast<void>(vit.features(exec, Tensor<float, 4>::zeros({1, 3, 32, 31}))), "Vit: images must be [B, 3, 32, 32] (came: 1, 3, 32, 31)", ShapeError);
  CHECK_THROWS_AS(static_cast<void>(vit.embed(exec, Tensor<float, 4>::zeros({1, 1, 32, 32}))), ShapeError);
  CHECK_THROWS_WITH_AS(static_cast<void>(vit.query(exec, Tensor<float, 3>::zeros({1, 16, 36}))), "Vit: tokens must be [B, 17, 36] (came: 1, 16, 36)", ShapeError);
}

TEST_CASE("an empty batch has no features and is no error") {
  auto const network = network_case("plain");
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec;
  CHECK(vit.features(exec, Tensor<float, 4>::zeros({0, 3, 32, 32})).shape() == Shape<2>{0, 36});
  auto const tokens = vit.embed(exec, Tensor<float, 4>::zeros({0, 3, 32, 32}));
  CHECK(tokens.shape() == Shape<3>{0, 17, 36});
  CHECK(vit.query(exec, tokens).shape() == Shape<2>{0, 36});
  CHECK(vit.forward(exec, tokens).shape() == Shape<3>{0, 17, 36});
  CHECK(vit.pool(exec, tokens).shape() == Shape<2>{0, 36});
}

TEST_CASE("threads that use a network for the first time at once agree") {
  auto const network = network_case("options");
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec{.threads = 1};
  auto const images = network.images();
  std::vector<Matrix<float>> features(4);
  std::vector<std::thread> threads;
  for (auto& mine : features) {
    threads.emplace_back([&mine, &exec, &images, copy = vit] { mine = copy.features(exec, images); });
  }
  for (auto& thread : threads) { thread.join(); }
  for (auto const& other : features) { CHECK(same_bits(other, features.front())); }
}

TEST_CASE("the hash tells apart all that changes features") {
  auto const network = network_case("plain");
  auto options = network.options();
  auto const plain = Vit<>::load(network.weights, options);
  CHECK(plain.hash() == Vit<>::load(network.weights, options).hash());
  CHECK(plain.sha256().size() == 64);
  std::set<std::string> hashes{plain.hash()};
  auto const add = [&](VitOptions const& changed) {
    auto const other = Vit<>::load(network.weights, changed);
    CHECK(other.sha256() == plain.sha256());
    hashes.insert(other.hash());
  };
  options.heads = 9;
  add(options);
  options.epsilon = 1e-5;
  add(options);
  options.activation = kernels::Activation::quick_gelu;
  add(options);
  options.pool = Pool::average;
  add(options);
  options.image_height = options.image_width = 48;
  add(options);
  options.positions = PositionResize::plain;
  add(options);
  CHECK(hashes.size() == 7);
}

}  // namespace accrete::test::vit_test
