#include "support/compare.hpp"
#include "support/network.hpp"
#include "support/pictures.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/linear.hpp>
#include <accrete/host/host.hpp>
#include <accrete/prompt/none.hpp>
#include <accrete/train/fisher.hpp>
#include <accrete/tuning/full.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace accrete::test::fisher_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// Features W x of vectors at hand, where W [C, L] learns.
class LinearSource {
 public:
  LinearSource(Matrix<float> x, Matrix<float> const& weight) : x_(std::move(x)), gradient_(Matrix<float>::zeros(weight.shape())), part_({}, "weight", stored(weight)) { part_.attach(flat()); }

  std::vector<std::vector<Index>> batches;  ///< positions that were visited

  [[nodiscard]] Index samples() const { return x_.extent(0); }
  [[nodiscard]] Index width() const { return gradient_.extent(0); }
  [[nodiscard]] auto const& part() const { return part_; }
  void begin_epoch(BatchOrder const& order, Index first) {
    order_ = order.positions();
    batch_ = order.batch;
    done_ = first;
    epoch = order.epoch;
  }
  [[nodiscard]] bool next() {
    if (done_ * batch_ >= samples()) { return false; }
    auto const first = order_.begin() + done_ * batch_;
    positions_.assign(first, first + std::min(batch_, samples() - done_ * batch_));
    batches.push_back(positions_);
    ++done_;
    return true;
  }
  [[nodiscard]] std::span<Index const> positions() const { return positions_; }
  [[nodiscard]] Index batches_done() const { return done_; }
  void forward(MatrixView<float> features, std::span<Index const> /*labels*/, RngKey const& /*dropout*/) {
    auto const weight = part_.values().view<2>("weight");
    rows_ = Matrix<float>({features.extent(0), x_.extent(1)});
    for (Index i = 0; i < features.extent(0); ++i) {
      std::copy(x_[positions_[static_cast<std::size_t>(i)]].begin(), x_[positions_[static_cast<std::size_t>(i)]].end(), rows_[i].begin());
      for (Index c = 0; c < width(); ++c) { features(i, c) = std::inner_product(rows_[i].begin(), rows_[i].end(), weight[c].begin(), 0.0F); }
    }
  }
  void clear() { std::fill(gradient_.begin(), gradient_.end(), 0.0F); }
  void backward(MatrixView<float const> d, Accumulates what) {
    nn::Summation::of(what, d.extent(0)).add_weight_gradient(exec, RowsView<float const>(d), RowsView<float const>(rows_.cview()), gradient_.view());
  }
  void collect() { part_.attach(flat()); }

  std::uint32_t epoch = 0;

 private:
  static ParameterStore<float> stored(Matrix<float> const& weight) {
    ParameterStore<float> store;
    store.add({.name = "weight", .shape = {weight.extent(0), weight.extent(1)}, .role = "backbone", .trainable_rows = weight.extent(0)});
    std::copy(weight.begin(), weight.end(), store.view<2>("weight").begin());
    return store;
  }
  [[nodiscard]] VectorView<float const> flat() const { return {gradient_.data(), {gradient_.size()}}; }

  Matrix<float> x_;
  Matrix<float> gradient_;
  Matrix<float> rows_;
  LearningPart<accrete::detail::NoSteps> part_;
  std::vector<Index> order_;
  std::vector<Index> positions_;
  Index batch_ = 1;
  Index done_ = 0;
};

Matrix<float> matrix(Shape<2> shape, std::vector<float> const& values) {
  Matrix<float> m(shape);
  std::copy(values.begin(), values.end(), m.begin());
  return m;
}

/// A head whose logits are the features.
LinearHead::State identity(Index classes) {
  LinearHead::State state;
  LinearHead const head{.bias = false, .initial = InitialRows::zeros};
  head.admit(state, {.index = 0, .first_class = 0, .classes = classes}, classes);
  for (Index c = 0; c < classes; ++c) { state.parameters().view<2>(HeadBlock::weight_name(0))(c, c) = 1.0F; }
  return state;
}

constexpr double no_cap = 1e30;

Vector<float> fisher_of(LinearSource& source, std::vector<Index> const& columns, FisherSettings const& settings, Index batch, std::uint64_t seed = 1) {
  FisherPass pass(exec, source, LinearHead{}, identity(source.width()).parameters(), columns, settings, batch, seed, 0);
  return pass.run(source.part());
}

std::vector<double> softmax(Matrix<float> const& weight, VectorView<float const> x) {
  std::vector<double> p(static_cast<std::size_t>(weight.extent(0)));
  double sum = 0.0;
  for (std::size_t c = 0; c < p.size(); ++c) { sum += p[c] = std::exp(std::inner_product(x.begin(), x.end(), weight[static_cast<Index>(c)].begin(), 0.0)); }
  for (double& value : p) { value /= sum; }
  return p;
}

}  // namespace

TEST_CASE("two classes and two samples: squares of the batch's mean, and of each sample") {
  auto const x = matrix({2, 2}, {1, 2, 3, -1});
  LinearSource source(x, Matrix<float>::zeros({2, 2}));
  auto const of_batches = fisher_of(source, {0, 1}, {.cap = no_cap}, 2);
  auto const of_samples = fisher_of(source, {0, 1}, {.squares = FisherSquares::of_samples, .cap = no_cap}, 2);
  for (Index row = 0; row < 2; ++row) {
    CHECK(of_batches(2 * row) == doctest::Approx(0.25));
    CHECK(of_batches(2 * row + 1) == doctest::Approx(0.5625));
    CHECK(of_samples(2 * row) == doctest::Approx(1.25));
    CHECK(of_samples(2 * row + 1) == doctest::Approx(0.625));
  }
  CHECK(source.epoch == std::numeric_limits<std::uint32_t>::max());

  // The rows of a head by the same definition.
  LinearHead::State state;
  LinearHead const head{.initial = InitialRows::zeros};
  head.admit(state, {.index = 0, .first_class = 0, .classes = 2}, 2);
  ParameterStore<float> squares = state.parameters();
  std::fill(squares.values().begin(), squares.values().end(), 0.0F);
  auto const d_logits = matrix({2, 2}, {-0.5F, 0.5F, 0.5F, -0.5F});
  Matrix<float> d_features({2, 2});
  head.backward(exec, std::as_const(state).parameters(), x, d_logits, d_features.view(), squares, Accumulates::squares);
  auto const rows = squares.view<2>(HeadBlock::weight_name(0));
  for (Index c = 0; c < 2; ++c) {
    CHECK(rows(c, 0) == doctest::Approx(2.5));
    CHECK(rows(c, 1) == doctest::Approx(1.25));
    CHECK(squares.view<1>(HeadBlock::bias_name(0))[c] == doctest::Approx(0.5));
  }
}

TEST_CASE("all classes compete, whatever the labels, and a last batch that is not full counts in full") {
  auto const x = matrix({5, 2}, {1, 2, 3, -1, 0.5F, 0.25F, -2, 1, 1, 1});
  auto const weight = matrix({3, 2}, {0.1F, -0.2F, 0.3F, 0.2F, -0.1F, 0.4F});
  std::vector<Index> const columns{1, 2, 1, 2, 2};  // a task whose classes are 1 and 2; 0 came before
  LinearSource source(x, weight);
  auto const got = fisher_of(source, columns, {.cap = no_cap}, 2);
  REQUIRE(source.batches.size() == 3);
  CHECK(source.batches.back().size() == 1);
  Vector<double> want = Vector<double>::zeros({6});
  for (auto const& batch : source.batches) {
    Vector<double> gradient = Vector<double>::zeros({6});
    for (Index const i : batch) {
      auto const p = softmax(weight, x[i]);
      for (Index c = 0; c < 3; ++c) {
        double const dz = (p[static_cast<std::size_t>(c)] - (columns[static_cast<std::size_t>(i)] == c ? 1.0 : 0.0)) / static_cast<double>(batch.size());
        for (Index j = 0; j < 2; ++j) { gradient(2 * c + j) += dz * static_cast<double>(x(i, j)); }
      }
    }
    for (Index k = 0; k < 6; ++k) { want(k) += gradient(k) * gradient(k) / 3.0; }
  }
  CHECK(relative_difference(got, want) <= tolerance<float>(Kind::sum));
  CHECK(want(0) > 1e-3);  // the class of an earlier task does have a gradient
}

TEST_CASE("no value is above the cap or below the floor") {
  LinearSource source(matrix({2, 2}, {1, 0, 3, 0}), Matrix<float>::zeros({2, 2}));
  auto const capped = fisher_of(source, {0, 1}, {.cap = 1e-4, .floor = 1e-8}, 2);
  CHECK(capped(0) == 1e-4F);
  CHECK(capped(1) == 1e-8F);
  CHECK_THROWS_AS(fisher_of(source, {0, 1}, {.cap = 1e-8, .floor = 1e-4}, 2), ValueError);
  CHECK_THROWS_AS(fisher_of(source, {0}, {}, 2), ShapeError);
  CHECK_THROWS_AS(FisherMean(3).take({}), ValueError);
}

TEST_CASE("labels drawn from the model give the Fisher information itself in the mean, and the same ones for the same key") {
  auto const x = matrix({1, 2}, {1, 2});
  auto const weight = matrix({3, 2}, {0.3F, -0.2F, 0.2F, 0.1F, -0.4F, 0.4F});
  auto const p = softmax(weight, x[0]);
  FisherSettings const settings{.labels = FisherLabels::drawn, .squares = FisherSquares::of_samples, .cap = no_cap};
  LinearSource source(x, weight);
  CHECK(same_bits(fisher_of(source, {0}, settings, 1, 5), fisher_of(source, {2}, settings, 1, 5)));
  constexpr int draws = 4000;
  auto mean = Vector<double>::zeros({6});
  for (int seed = 0; seed < draws; ++seed) {
    auto const drawn = fisher_of(source, {0}, settings, 1, static_cast<std::uint64_t>(seed));
    for (Index k = 0; k < 6; ++k) { mean(k) += static_cast<double>(drawn(k)) / draws; }
  }
  for (Index c = 0; c < 3; ++c) {
    double const pc = p[static_cast<std::size_t>(c)];
    for (Index j = 0; j < 2; ++j) { CHECK(mean(2 * c + j) == doctest::Approx(pc * (1.0 - pc) * static_cast<double>(x(0, j) * x(0, j))).epsilon(0.06)); }  // sum_k p_k (p_c - [k = c])^2
  }
}

TEST_CASE("of a network: samples at once are batches of one, bits do not depend on threads, and the transform is that of training") {
  auto const network = Vit<Full>::load(golden_path("vit/plain.weights.safetensors"), {.heads = 3, .image_height = 32}, Full{});
  Examples const pictures = striped_pictures({"ant", "bee", "cat"}, 3, 1);
  std::vector<Index> columns;
  for (Index i = 0; i < pictures.size(); ++i) { columns.push_back(pictures.label(i)); }
  LinearHead const head;
  LinearHead::State state;
  head.admit(state, {.index = 0, .first_class = 0, .classes = 3}, network.width());
  auto const fisher = [&](FisherSettings const& settings, Augmentation const& augmentation, int threads) {
    TrainingSettings training{.batch = 4, .augmentation = augmentation};
    return fisher_information<FisherOf::network>(HostExecutor<>{.threads = threads}, network, NoPrompt{}, NoPrompt::State{}, head, std::as_const(state).parameters(), pictures, columns, 0, settings,
                                                 training, {}, {});
  };
  FisherSettings const of_samples{.squares = FisherSquares::of_samples, .cap = no_cap};
  auto const together = fisher(of_samples, Augmentation::none(), 2);
  REQUIRE(together.size() == network.parameters().values().size());
  auto const alone = fisher({.batch = 1, .cap = no_cap}, Augmentation::none(), 1);
  CHECK(*std::max_element(alone.begin(), alone.end()) > 0.0F);
  CHECK(relative_difference(together, alone) <= 2 * tolerance<float>(Kind::backward));
  CHECK(same_bits(fisher(of_samples, Augmentation::none(), 1), together));
  auto const augmented = fisher({}, {}, 2);
  CHECK(same_bits(fisher({}, {}, 1), augmented));
  CHECK_FALSE(same_bits(fisher({}, Augmentation::none(), 2), augmented));
}

}  // namespace accrete::test::fisher_test
