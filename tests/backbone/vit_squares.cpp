#include "support/executors.hpp"
#include "support/training_checks.hpp"

#include <accrete/core/accumulates.hpp>

#include <doctest/doctest.h>

namespace accrete::test::vit_squares_test {

namespace {

/// Squares of a batch at once against the squared gradients of its images, one after the other.
template <class T, class Tuning, class Exec>
void check_squares(Exec const& exec, TrainingCase const& network, Tuning const& tuning) {
  using S = SumScalar<T>;
  CAPTURE(network.name);
  auto const vit = Vit<Tuning>::load(network.weights, network.options(), tuning);
  auto const store = stored_parameters<S>(vit.parameters(), network);
  auto training = vit.template training<T>(exec, store);
  auto const images = network.images();
  auto const wanted = network.values.template read<double, 2>("grad.features");
  Matrix<S> d_features(wanted.shape());
  std::transform(wanted.begin(), wanted.end(), d_features.begin(), [](double value) { return static_cast<S>(value); });
  Matrix<S> features({images.extent(0), vit.width()});
  NoHook hook;

  auto want = Vector<double>::zeros({store.values().size()});
  for (Index b = 0; b < images.extent(0); ++b) {
    training.forward(images.view().slice(b, 1), hook, features.view().slice(b, 1), {});
    training.zero_gradients();
    training.backward(d_features.cview().slice(b, 1), hook);
    auto const gradients = training.gradients();
    for (Index i = 0; i < want.size(); ++i) { want(i) += static_cast<double>(gradients[i]) * static_cast<double>(gradients[i]); }
  }
  training.forward(images.view(), hook, features.view(), {});
  training.zero_gradients();
  training.backward(d_features.cview(), hook, Accumulates::squares);
  for (ParameterSegment const& segment : store.segments()) {
    CAPTURE(segment.name);
    Index const count = segment.elements();
    Index const first = store.offset(segment.name);
    CHECK(relative_difference(training.gradients().slice(first, count), want.view().slice(first, count)) <= 2 * allowed_gradient<T>());  // a square has twice the relative error
  }

  training.forward(images.view(), hook, features.view(), {});
  training.zero_gradients();
  training.backward(d_features.cview(), hook);
  Vector<S> const sums = [&] {
    Vector<S> copy({store.values().size()});
    auto const gradients = training.gradients();
    std::copy(gradients.begin(), gradients.end(), copy.begin());
    return copy;
  }();
  bool differs = false;
  for (Index i = 0; i < sums.size(); ++i) { differs = differs || std::abs(static_cast<double>(sums(i) * sums(i)) - want(i)) > 0.1 * want(i); }
  CHECK(differs);  // the square of the sum is another number
}

template <class T, class Exec>
void check_all(Exec const& exec) {
  for (auto const& network : training_cases("full")) { check_squares<T>(exec, network, Full{}); }
  for (auto const& network : training_cases("ssf")) { check_squares<T>(exec, network, Ssf{}); }
  for (auto const& network : training_cases("adapter")) {
    auto const place = network.tuning["adapted"] == "parallel" ? nn::BottleneckPlace::parallel : nn::BottleneckPlace::sequential;
    check_squares<T>(exec, network, Bottleneck{.width = network.tuning["rank"], .scale = network.tuning["adapter_scale"], .dropout = 0, .place = place});
  }
  for (auto const& network : training_cases("lora")) {
    check_squares<T>(exec, network, Lora{.rank = network.tuning["rank"], .scale = network.tuning["lora_scale"], .queries = true, .keys = true, .values = true, .mlp = true});
  }
}

}  // namespace

TEST_CASE("in double, squares of a batch are those of its images one by one, for every tuning") { check_all<double>(HostExecutor<EigenProducts>{.threads = 2, .precision = Precision::float64}); }

TEST_CASE("squares of a batch are those of its images one by one, and have the same bits with any threads") {
  check_all<float>(HostExecutor<>{.threads = 2});
  auto const network = training_cases("full").front();
  auto const vit = Vit<Full>::load(network.weights, network.options());
  auto const squares = [&](int threads) {
    HostExecutor<> const exec{.threads = threads};
    auto training = vit.template training<float>(exec, vit.parameters());
    auto const images = network.images();
    Matrix<float> features({images.extent(0), vit.width()});
    NoHook hook;
    training.forward(images.view(), hook, features.view(), {});
    training.backward(features.cview(), hook, Accumulates::squares);
    Vector<float> copy({training.gradients().size()});
    auto const all = training.gradients();
    std::copy(all.begin(), all.end(), copy.begin());
    return copy;
  };
  CHECK(same_bits(squares(1), squares(2)));
}

}  // namespace accrete::test::vit_squares_test
