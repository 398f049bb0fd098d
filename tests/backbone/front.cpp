#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/network.hpp"
#include "support/tolerances.hpp"

#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/tuning/full.hpp>

#include <doctest/doctest.h>

namespace accrete::test::front_test {

namespace {

/// The first rows of the sequence are read.
struct FirstRows {
  Index rows;
  [[nodiscard]] Index read_rows() const { return rows; }
};

}  // namespace

TEST_CASE("a bent pass that begins at any block, and its query, have the bits of the whole pass") {
  for (NetworkCase const& network : network_cases()) {
    if (!network.is_built()) { continue; }
    CAPTURE(network.name);
    auto const vit = Vit<>::load(network.weights, network.options());
    auto const images = network.images();
    for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
      HostExecutor<> const exec{.threads = 2, .precision = precision};
      auto const want = vit.features(exec, images.cview());
      for (Index first = 0; first <= vit.depth(); ++first) {
        CAPTURE(first);
        Tensor<float, 3> tokens({images.extent(0), vit.shape().tokens(), vit.width()});
        Matrix<float> queries({images.extent(0), vit.width()});
        vit.front(exec, images.cview(), first, tokens.view(), queries.view());
        CHECK(same_bits(queries, want));
        if (first == vit.depth()) { continue; }
        CHECK(same_bits(vit.features_behind(exec, tokens.cview(), first, NoHook{}), want));
        Tensor<float, 3> alone(tokens.shape());
        vit.front(exec, images.cview(), first, alone.view(), {});
        CHECK(same_bits(alone, tokens));
      }
    }
  }
}

TEST_CASE("a front needs a block that is there, and a query per image") {
  NetworkCase const network = network_cases().front();
  auto const vit = Vit<>::load(network.weights, network.options());
  HostExecutor<> const exec{.threads = 1};
  auto const images = network.images();
  Tensor<float, 3> tokens({images.extent(0), vit.shape().tokens(), vit.width()});
  Matrix<float> fewer({images.extent(0) - 1, vit.width()});
  CHECK_THROWS_AS(vit.front(exec, images.cview(), vit.depth() + 1, tokens.view(), {}), ShapeError);
  CHECK_THROWS_AS(vit.front(exec, images.cview(), -1, tokens.view(), {}), ShapeError);
  CHECK_THROWS_AS(vit.front(exec, images.cview(), 0, tokens.view(), fewer.view()), ShapeError);
}

TEST_CASE("a hook may have the feature made of its first rows, each behind the final norm") {
  for (NetworkCase const& network : network_cases()) {
    if (!network.is_built()) { continue; }
    CAPTURE(network.name);
    auto const vit = Vit<>::load(network.weights, network.options());
    if (vit.shape().fc_norm) { continue; }  // `forward` leaves the norm out there
    HostExecutor<> const exec{.threads = 2};
    auto const images = network.images();
    auto const all = vit.forward(exec, vit.embed(exec, images.cview()).cview());
    FirstRows const hook{3};
    auto const features = vit.features(exec, images.cview(), hook);
    Matrix<double> want({features.extent(0), features.extent(1)});
    for (Index b = 0; b < want.extent(0); ++b) {
      for (Index d = 0; d < want.extent(1); ++d) { want(b, d) = (static_cast<double>(all(b, 0, d)) + static_cast<double>(all(b, 1, d)) + static_cast<double>(all(b, 2, d))) / 3.0; }
    }
    CHECK(relative_difference(features, want) <= tolerance<float>(Kind::chain));

    VitTrainer<HostExecutor<>> trainer(exec, vit, 3);
    Matrix<float> learning(features.shape());
    trainer.forward(images.cview(), hook, learning.view(), {});
    CHECK(relative_difference(learning, want) <= tolerance<float>(Kind::chain));
  }
}

TEST_CASE("a pass that learns may begin behind blocks that stand still, but not behind one that learns") {
  NetworkCase const network = network_cases().front();
  auto const images = network.images();
  HostExecutor<> const exec{.threads = 2};
  NoHook hook;
  auto const frozen = Vit<>::load(network.weights, network.options());
  VitTrainer<HostExecutor<>> trainer(exec, frozen);
  Matrix<float> whole({images.extent(0), frozen.width()});
  trainer.forward(images.cview(), hook, whole.view(), {});
  Tensor<float, 3> tokens({images.extent(0), frozen.shape().tokens(), frozen.width()});
  for (Index first = 0; first < frozen.depth(); ++first) {
    frozen.front(exec, images.cview(), first, tokens.view(), {});
    Matrix<float> rest(whole.shape());
    trainer.forward_behind(tokens.cview(), first, hook, rest.view(), {});
    CHECK(relative_difference(rest, whole) <= tolerance<float>(Kind::chain));
  }
  auto const tuned = Vit<Full>::load(network.weights, network.options());
  VitTrainer<HostExecutor<>> moving(exec, tuned);
  CHECK_THROWS_AS(moving.forward_behind(tokens.cview(), 1, hook, whole.view(), {}), ValueError);
}

}  // namespace accrete::test::front_test
