#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/naive_network.hpp"
#include "support/network.hpp"
#include "support/tolerances.hpp"
#include "support/vit_checks.hpp"

#include <accrete/core/accumulates.hpp>
#include <accrete/host/host.hpp>
#include <accrete/tuning/attention_adapter.hpp>
#include <accrete/tuning/bottleneck.hpp>
#include <accrete/tuning/class_attention.hpp>
#include <accrete/tuning/full.hpp>
#include <accrete/tuning/lora.hpp>
#include <accrete/tuning/ssf.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

namespace accrete::test::tuned_gradients_test {

namespace {

HostExecutor<EigenProducts> const exec{.threads = 2, .precision = Precision::float64};
constexpr Index images_of_batch = 3;

/// A network of two blocks that learns in double, of which nothing is zero; the loss is sum(r * features).
template <class Tuning>
class Learning {
  using Training = VitTraining<HostExecutor<EigenProducts>, double>;

 public:
  explicit Learning(Tuning tuning) : vit_(opened(std::move(tuning))), store_(spread(vit_.parameters())), training_(vit_.template training<double>(exec, store_)) {}

  [[nodiscard]] ParameterStore<double>& store() { return store_; }

  /// Of the images [first, first + count).
  [[nodiscard]] double loss(Index first = 0, Index count = images_of_batch) {
    NoHook hook;
    training_.refresh(store_.values());
    training_.forward(images_.cview().slice(first, count), hook, features_.view().slice(first, count), {});
    double sum = 0.0;
    for (Index i = first; i < first + count; ++i) {
      for (Index j = 0; j < r_.extent(1); ++j) { sum += r_(i, j) * features_(i, j); }
    }
    return sum;
  }
  [[nodiscard]] Vector<double> gradients(Accumulates what, Index first = 0, Index count = images_of_batch) {
    NoHook hook;
    static_cast<void>(loss(first, count));
    training_.zero_gradients();
    training_.backward(r_.cview().slice(first, count), hook, what);
    auto const found = training_.gradients();
    Vector<double> copy(found.shape());
    std::copy(found.begin(), found.end(), copy.begin());
    return copy;
  }

  /// Of all images.
  /// @param learning  whether units are dropped
  [[nodiscard]] Matrix<double> features(bool learning) {
    NoHook hook;
    training_.refresh(store_.values());
    training_.forward(images_.cview(), hook, features_.view(), {}, learning);
    return features_;
  }

  template <class Use>
  void for_segments(Use const& use) const {
    for (Index i = 0; i < store_.size(); ++i) { use(store_.segments()[static_cast<std::size_t>(i)].name, store_.trainable_of(i)); }
  }

 private:
  [[nodiscard]] static Vit<Tuning> opened(Tuning tuning) {
    TemporaryFolder const folder;
    ToyCheckpoint(2, 6.0F).write(folder / "toy");
    return Vit<Tuning>::load(folder / "toy", {.heads = 2, .image_height = 4, .image_width = 4}, std::move(tuning), 4);
  }
  [[nodiscard]] static ParameterStore<double> spread(ParameterStore<float> const& declared) {
    ParameterStore<double> store;
    for (ParameterSegment const& segment : declared.segments()) { store.add(segment); }
    for (Index i = 0; i < store.size(); ++i) {
      std::string const& name = store.segments()[static_cast<std::size_t>(i)].name;
      bool const gain = name.ends_with(".scale") || (name.find("norm") != std::string::npos && name.ends_with(".weight"));
      auto const values = drawn<1>(name, {store.trainable_of(i).count}, 0.5F, gain ? 1.2F : 0.0F);
      std::copy(values.begin(), values.end(), store.view(store.trainable_of(i)).begin());
    }
    return store;
  }

  Vit<Tuning> vit_;
  ParameterStore<double> store_;
  Training training_;
  Tensor<float, 4> images_ = many_images(images_of_batch, vit_.shape());
  Matrix<double> r_ = random_matrix<double>(images_of_batch, vit_.width(), 5);
  Matrix<double> features_{Shape<2>{images_of_batch, vit_.width()}};
};

template <class Tuning>
void check_differences(Tuning const& tuning) {
  CAPTURE(Tuning::name);
  Learning<Tuning> learning(tuning);
  auto const gradients = learning.gradients(Accumulates::sums);
  learning.for_segments([&](std::string const& name, ParameterSpan const& span) {
    CAPTURE(name);
    auto const want = central_differences(learning.store().view(span), [&] { return learning.loss(); });
    CHECK(relative_difference(gradients.cview().slice(span.first, span.count), want) <= tolerance<double>(Kind::loss_differences));
    CHECK(std::any_of(want.begin(), want.end(), [](double slope) { return std::abs(slope) > 1e-6; }));
  });
}

template <class Tuning>
void check_squares(Tuning const& tuning) {
  CAPTURE(Tuning::name);
  Learning<Tuning> learning(tuning);
  auto want = Vector<double>::zeros({learning.store().values().size()});
  for (Index i = 0; i < images_of_batch; ++i) {
    auto const alone = learning.gradients(Accumulates::sums, i, 1);
    std::transform(alone.begin(), alone.end(), want.begin(), want.begin(), [](double g, double sum) { return sum + g * g; });
  }
  auto const squares = learning.gradients(Accumulates::squares);
  auto const sums = learning.gradients(Accumulates::sums);
  learning.for_segments([&](std::string const& name, ParameterSpan const& span) {
    CAPTURE(name);
    auto const of = [&](Vector<double> const& all) { return all.cview().slice(span.first, span.count); };
    CHECK(relative_difference(of(squares), of(want)) <= 2 * tolerance<double>(Kind::backward));  // a square has twice the relative error
    CHECK(std::any_of(of(want).begin(), of(want).end(), [](double square) { return square > 1e-12; }));
    Vector<double> squared({span.count});
    std::transform(of(sums).begin(), of(sums).end(), squared.begin(), [](double g) { return g * g; });
    CHECK(relative_difference(squared, of(want)) > 1e-3);  // the square of the sum is another number
  });
}

}  // namespace

TEST_CASE("in double, gradients of attention adapters and of low-rank parts with factors are those of central differences") {
  check_differences(AttentionAdapter{.width = 2, .blocks = 0});
  Lora parts = Lora::lae();
  parts.rank = 2;
  parts.queries = true;
  parts.mlp = true;
  parts.scale = 0.7;
  check_differences(parts);
}

TEST_CASE("units of an adapter are dropped while it learns and not at rest, and no gradient passes those that are") {
  Learning<Bottleneck> dropping({.width = 12, .dropout = 0.4});
  Learning<Bottleneck> whole({.width = 12, .dropout = 0});
  CHECK(same_bits(dropping.features(false), whole.features(true)));
  CHECK(relative_difference(dropping.features(true), whole.features(true)) > 1e-3);
  check_differences(Bottleneck{.width = 12, .dropout = 0.4});
}

TEST_CASE("while the second layer of an adapter is zero it alone has a gradient") {
  Learning<Bottleneck> learning({.width = 12, .dropout = 0});
  learning.for_segments([&](std::string const& name, ParameterSpan const& span) {
    for (double& value : learning.store().view(span)) { value = name.find(".up.") == std::string::npos ? value : 0.0; }
  });
  auto const gradients = learning.gradients(Accumulates::sums);
  learning.for_segments([&](std::string const& name, ParameterSpan const& span) {
    CAPTURE(name);
    auto const of_segment = gradients.cview().slice(span.first, span.count);
    CHECK(std::any_of(of_segment.begin(), of_segment.end(), [](double slope) { return slope != 0.0; }) == (name.find(".up.") != std::string::npos));
  });
}

TEST_CASE("in double, squares of a batch are the squared gradients of its images, for every tensor of every tuning") {
  check_squares(Full{});
  check_squares(Lora{.rank = 3, .keys = true, .mlp = true});
  Lora with_factor = Lora::lae();
  with_factor.rank = 3;
  check_squares(with_factor);
  check_squares(AttentionAdapter{.width = 3, .blocks = 0});
  check_squares(Bottleneck{.width = 12, .dropout = 0});  // of few units none may pass a ReLU
  check_squares(Ssf{});
  check_squares(ClassAttention{});
}

}  // namespace accrete::test::tuned_gradients_test
