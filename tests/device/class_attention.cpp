#include "support/compare.hpp"
#include "support/network.hpp"
#include "support/tolerances.hpp"
#include "support/training_checks.hpp"
#include "support/vit_checks.hpp"

#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/device/device.hpp>
#include <accrete/host/host.hpp>
#include <accrete/tuning/class_attention.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace accrete::test::class_attention_test {

namespace {

using Network = Vit<ClassAttention>;

TuningBank<Network> bank_of_two() {
  auto const plain = network_case("plain");
  TuningBank<Network> bank(Vit<>::load(plain.weights, plain.options()), {}, 7);
  for (Index task = 0; task < 2; ++task) { bank.begin_task({.index = task, .first_class = task, .classes = 1}); }
  return bank;
}

template <class Exec>
Matrix<float> features_of(Exec const& exec, TuningBank<Network> const& bank, Tensor<float, 4> const& images) {
  return to_host(exec, bank.features(exec, images.cview()).cview());
}

/// Features while learning, and the gradients of everything that learns.
template <class Exec>
std::pair<Matrix<float>, std::vector<float>> learned(Exec const& exec, Network const& vit, Tensor<float, 4> const& images) {
  auto training = vit.training<float>(exec, vit.parameters());
  auto const there = to_executor(exec, images);
  Matrix<float, typename Exec::Memory> features({images.extent(0), vit.width()});
  NoHook none;
  training.forward(there.cview(), none, features.view(), {});
  training.backward(features.cview(), none);
  auto const gradients = training.gradients();
  return {to_host(exec, features.cview()), std::vector<float>(gradients.begin(), gradients.end())};
}

}  // namespace

TEST_CASE("class attention on Thrust is that of the host, at rest and while it learns") {
  auto const bank = bank_of_two();
  auto const images = many_images(3, bank.trunk().shape());
  HostExecutor<> const host{.threads = 2};
  DeviceExecutor<CppSystem> const device{};
  CHECK(relative_difference(features_of(device, bank, images), features_of(host, bank, images)) <= tolerance<float>(Kind::chain));
  auto const got = learned(device, bank.tuned(), images);
  auto const want = learned(host, bank.tuned(), images);
  CHECK(relative_difference(got.first, want.first) <= tolerance<float>(Kind::chain));
  VectorView<float const> const got_gradients(got.second.data(), {static_cast<Index>(got.second.size())});
  VectorView<float const> const want_gradients(want.second.data(), {static_cast<Index>(want.second.size())});
  CHECK(relative_difference(got_gradients, want_gradients) <= tolerance<float>(Kind::backward));
}

}  // namespace accrete::test::class_attention_test
