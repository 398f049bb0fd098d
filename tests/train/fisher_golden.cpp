#include "support/file_order.hpp"

#include <accrete/host/host.hpp>
#include <accrete/train/loss/columns.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/tuning/full.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test::fisher_golden_test {

namespace {

HostExecutor<> const exec{.threads = 2};
constexpr double no_cap = 1e30;
constexpr double allowed = 2 * tolerance<float>(Kind::backward);  // a square has twice the relative error

/// A network, a classifier and twelve pictures, with their Fisher information by PyTorch (tests/golden/training/fisher.safetensors).
struct Reference {
  TrajectoryFile stored{"fisher", ""};
  Vit<Full> network{stored.network(), Full{}, {}};
  LinearHead head;
  LinearHead::State state;
  std::vector<Index> rows = indices("rows");
  std::vector<Index> labels = indices("labels");
  Matrix<double> logits = stored.file.read<double, 2>("logits");

  Reference() {
    TaskInfo const all{.index = 0, .first_class = 0, .classes = logits.extent(1)};
    head.admit(state, all, network.width());
    stored.set_head(state.parameters(), all, network.width());
  }

  [[nodiscard]] Index batch() const { return stored.config["batch"].get<Index>(); }
  [[nodiscard]] double probability(std::size_t picture, Index label) const {
    std::vector<double> p;
    accrete::detail::softmax_row<double>(logits.cview()[static_cast<Index>(picture)], p);
    return p[static_cast<std::size_t>(label)];
  }
  [[nodiscard]] Vector<float> fisher(FisherSettings const& settings, Index pictures) const { return fisher_in_file_order(exec, stored, network, state.parameters(), rows, labels, settings, pictures); }
  /// Of one picture, under another label.
  [[nodiscard]] Vector<float> of_picture(std::size_t picture, Index label, FisherLabels kind = FisherLabels::given, std::uint64_t seed = 0) const {
    return fisher_in_file_order(exec, stored, network, state.parameters(), {rows[picture]}, {label}, {.labels = kind, .squares = FisherSquares::of_samples, .cap = no_cap}, 1, seed);
  }

  template <class T>
  void check(Vector<T> const& fisher, std::string const& kind) const {
    auto const& store = network.parameters();
    for (Index i = 0; i < store.size(); ++i) {
      ParameterSpan const span = store.trainable_of(i);
      stored.compare_or_length(fisher.cview().slice(span.first, span.count), kind + '.' + store.segments()[static_cast<std::size_t>(i)].name, allowed);
    }
  }

  /// The sum of what a loss of every picture leaves of the classifier's rows.
  template <class Weight>
  [[nodiscard]] Vector<float> rows_of_head(std::vector<Index> const& columns, Weight const& weight, Index first, Index count, Accumulates what) const {
    std::vector<Index> const some(rows.begin() + first, rows.begin() + first + count);
    std::vector<Index> const labels_of_some(columns.begin() + first, columns.begin() + first + count);
    auto const features = network.features(exec, stored.images(some).cview());
    Matrix<float> z({count, logits.extent(1)});
    Matrix<float> d(z.shape());
    Matrix<float> d_features(features.shape());
    head.logits(exec, state.parameters(), features.cview(), z.view());
    CHECK(relative_difference(z, logits.cview().slice(first, count)) <= tolerance<float>(Kind::chain));
    CrossEntropy{}(z.cview(), labels_of_some, {0, z.extent(1)}, d.view());
    for (Index i = 0; i < count; ++i) {
      for (float& value : d.view()[i]) { value *= static_cast<float>(weight(static_cast<std::size_t>(first + i))); }
    }
    ParameterStore<float> gradients = state.parameters();
    std::fill(gradients.values().begin(), gradients.values().end(), 0.0F);
    head.backward(exec, state.parameters(), features.cview(), d.cview(), d_features.view(), gradients, what);
    Vector<float> copy(gradients.values().shape());
    std::copy(gradients.values().begin(), gradients.values().end(), copy.begin());
    return copy;
  }
  void check_head(FisherMean& mean, std::string const& kind) const {
    auto const fisher = mean.take({.cap = no_cap});
    auto const& store = state.parameters();
    for (Index i = 0; i < store.size(); ++i) {
      ParameterSpan const span = store.trainable_of(i);
      bool const weight = store.segments()[static_cast<std::size_t>(i)].name == HeadBlock::weight_name(0);
      stored.compare_or_length(fisher.cview().slice(span.first, span.count), kind + (weight ? ".head.weight" : ".head.bias"), allowed);
    }
  }

 private:
  [[nodiscard]] std::vector<Index> indices(std::string const& name) const {
    auto const values = stored.file.read<Index, 1>(name);
    return {values.begin(), values.end()};
  }
};

}  // namespace

TEST_CASE("golden values: Fisher information of a network, of the loss of each picture and of batches that are not all full") {
  Reference const given;
  given.check(given.fisher({.squares = FisherSquares::of_samples, .cap = no_cap}, 4), "empirical");
  given.check(given.fisher({.cap = no_cap}, given.batch()), "batches");
}

TEST_CASE("golden values: the information under what the model itself says, of which a drawn label gives one term") {
  Reference const given;
  auto mean = Vector<double>::zeros({given.network.parameters().values().size()});
  for (std::size_t i = 0; i < given.rows.size(); ++i) {
    std::vector<Vector<float>> terms;
    for (Index c = 0; c < given.logits.extent(1); ++c) {
      terms.push_back(given.of_picture(i, c));
      double const share = given.probability(i, c) / static_cast<double>(given.rows.size());
      std::transform(terms.back().begin(), terms.back().end(), mean.begin(), mean.begin(), [share](float square, double sum) { return sum + share * static_cast<double>(square); });
    }
    if (i > 0) { continue; }
    std::set<std::size_t> drawn;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      auto const one = given.of_picture(i, 0, FisherLabels::drawn, seed);
      auto const same = std::find_if(terms.begin(), terms.end(), [&](Vector<float> const& term) { return same_bits(term, one); });
      REQUIRE(same != terms.end());
      drawn.insert(static_cast<std::size_t>(same - terms.begin()));
    }
    for (std::size_t c = 0; c < terms.size(); ++c) { CHECK((drawn.count(c) == 1 || given.probability(i, static_cast<Index>(c)) < 0.2)); }
  }
  given.check(mean, "true");
}

TEST_CASE("golden values: Fisher information of a classifier, of the loss of each picture, of batches, and under what the model says") {
  Reference const given;
  auto const pictures = static_cast<Index>(given.rows.size());
  Index const size = std::as_const(given.state).parameters().values().size();
  auto const whole = [&](std::size_t) { return static_cast<double>(pictures); };

  FisherMean empirical(size);
  empirical.add_squares(given.rows_of_head(given.labels, whole, 0, pictures, Accumulates::squares).cview(), pictures);
  given.check_head(empirical, "empirical");

  FisherMean batches(size);
  for (Index first = 0; first < pictures; first += given.batch()) {
    batches.add_squared(given
                            .rows_of_head(
                                given.labels, [](std::size_t) { return 1.0; }, first, std::min(given.batch(), pictures - first), Accumulates::sums)
                            .cview());
  }
  given.check_head(batches, "batches");

  FisherMean expected(size);
  for (Index c = 0; c < given.logits.extent(1); ++c) {
    auto const root = [&](std::size_t i) { return std::sqrt(given.probability(i, c)) * static_cast<double>(pictures); };
    expected.add_squares(given.rows_of_head(std::vector<Index>(given.rows.size(), c), root, 0, pictures, Accumulates::squares).cview(), c == 0 ? pictures : 0);
  }
  given.check_head(expected, "true");
}

}  // namespace accrete::test::fisher_golden_test
