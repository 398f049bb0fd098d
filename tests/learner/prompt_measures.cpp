#include "prompt_methods.hpp"
#include "support/compare.hpp"

#include <accrete/metric/slot_usage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace accrete::test::prompt_measures_test {

namespace {

HostExecutor<> const exec{.threads = 2};

double measure(Measures const& measures, std::string_view name) {
  auto const place = std::find_if(measures.begin(), measures.end(), [name](auto const& known) { return known.first == name; });
  REQUIRE(place != measures.end());
  return place->second;
}

/// What says how far a task moved something.
Measures moved(Measures const& all) {
  Measures some;
  for (auto const& known : all) {
    if (known.first.find("change") != std::string::npos || known.first.find("drift") != std::string::npos) { some.push_back(known); }
  }
  return some;
}

double cosine(VectorView<float const> a, VectorView<float const> b) {
  double product = 0.0;
  double a_squares = 0.0;
  double b_squares = 0.0;
  for (Index i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    a_squares += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    b_squares += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return product / std::sqrt(a_squares * b_squares);
}

}  // namespace

TEST_CASE_TEMPLATE("the usage of slots while learning is counted task by task, and measured", Method, method::L2p, method::L2pFrequencyPenalty, method::Dualprompt, method::L2pBatchVote) {
  auto learner = small_method<Method>(3);
  CHECK(learner.prompt_measures().empty());
  std::vector<Examples> const tasks{first_task(), second_task()};
  for (Examples const& task : tasks) { learn<Method>(learner, task); }
  auto const& prompt = learner.prompt();
  auto const& usage = learner.prompt_state().usage();
  REQUIRE(usage.size() == 2);
  SlotUsage wanted(learner.prompt_state().slots(), 2);
  for (std::size_t task = 0; task < 2; ++task) {
    CAPTURE(task);
    Index chosen = 0;
    for (std::size_t slot = 0; slot < usage[task].size(); ++slot) {
      chosen += usage[task][slot];
      wanted.add(static_cast<Index>(slot), static_cast<Index>(task), usage[task][slot]);
    }
    CHECK(chosen == 3 * tasks[task].size() * prompt.selector.per_sample());
    if constexpr (std::is_same_v<Method, method::Dualprompt>) { CHECK(usage[task][task] == 3 * tasks[task].size()); }
  }
  Measures const measures = learner.prompt_measures();
  CHECK(measure(measures, "slots") == static_cast<double>(learner.prompt_state().slots()));
  CHECK(measure(measures, "training usage entropy") == wanted.entropy());
  CHECK(measure(measures, "training slot-task information") == wanted.information());
  CHECK(measure(measures, "training slots used") == static_cast<double>(wanted.used_slots()));
  CHECK(wanted.entropy() > 0.0);
  CHECK(wanted.entropy() <= 1.0);
  double const of_tasks = -(18.0 / 28.0 * std::log(18.0 / 28.0) + 10.0 / 28.0 * std::log(10.0 / 28.0));
  CHECK(wanted.information() <= of_tasks * (1.0 + 1e-12));
  if constexpr (std::is_same_v<Method, method::Dualprompt>) { CHECK(wanted.information() == doctest::Approx(of_tasks).epsilon(1e-12)); }
}

TEST_CASE_TEMPLATE("a prompt that learns at no rate has not drifted, one that learns has", Method, ACCRETE_POOL_METHODS, ACCRETE_COMPONENT_METHODS, method::Dap) {
  auto settings = small_settings<Method>();
  auto learning = Method::compose(small_vit(), settings, 5);
  settings.protocol.training.rate = 0.0;
  auto resting = Method::compose(small_vit(), settings, 5);
  for (Examples const& task : {first_task(), second_task()}) {
    learn<Method>(learning, task);
    learn<Method>(resting, task);
    Measures const none = moved(resting.prompt_measures());
    Measures const some = moved(learning.prompt_measures());
    REQUIRE(none.size() >= 2);
    REQUIRE(some.size() == none.size());
    for (std::size_t i = 0; i < none.size(); ++i) {
      CAPTURE(none[i].first);
      CHECK(none[i].second == 0.0);
      CHECK(std::isfinite(some[i].second));
      bool const stands = std::is_same_v<Method, DualpromptOfMeans> && none[i].first == "key drift";
      CHECK((some[i].second > 0.0) == !stands);
    }
  }
}

TEST_CASE_TEMPLATE("a picture is taken for the task whose key is nearest, and how often that is right is measured", Method, method::Dualprompt, DualpromptOfMeans, method::Dap) {
  auto settings = choosing_settings<Method>();
  settings.protocol.training.augmentation = Augmentation::none();
  auto learner = Method::compose(small_vit(), settings, 5);
  for (Examples const& task : {first_task(), second_task()}) { learn<Method>(learner, task); }
  using Prompt = std::remove_cvref_t<decltype(learner.prompt())>;
  Examples const pictures = unseen_pictures();
  auto const queries = extract_features(exec, small_vit(), pictures).features;

  std::vector<Matrix<float>> keys;  // of each task
  if constexpr (std::is_same_v<Method, DualpromptOfMeans>) {
    for (Examples const& task : {first_task(), second_task()}) {
      auto const of_task = extract_features(exec, small_vit(), task).features;
      auto means = Matrix<float>::zeros({static_cast<Index>(task.class_names().size()), of_task.extent(1)});
      for (Index i = 0; i < task.size(); ++i) {
        auto const mean = means.view()[task.label(i)];
        std::transform(mean.begin(), mean.end(), of_task[i].begin(), mean.begin(), [](float a, float b) { return a + b; });
      }
      keys.push_back(std::move(means));
    }
  } else {
    auto const stored = learner.prompt_state().parameters().template view<2>(Prompt::keys_segment);
    for (Index task = 0; task < 2; ++task) {
      keys.emplace_back(Shape<2>{1, stored.extent(1)});
      std::copy(stored[task].begin(), stored[task].end(), keys.back().begin());
    }
  }

  auto const chosen = learner.chosen_slots(exec, pictures);
  REQUIRE(differ(chosen.slots));
  SlotUsage usage(learner.prompt_state().slots(), 2);
  for (Index i = 0; i < pictures.size(); ++i) {
    std::vector<double> best;
    for (auto const& of_task : keys) {
      best.push_back(-1.0);
      for (Index key = 0; key < of_task.extent(0); ++key) { best.back() = std::max(best.back(), cosine(queries[i], of_task[key])); }
    }
    CHECK(chosen.slots(i, 0) == (best[1] > best[0] ? 1 : 0));
    std::string const& name = pictures.class_names()[static_cast<std::size_t>(pictures.label(i))];
    CHECK(chosen.tasks[static_cast<std::size_t>(i)] == (name == "dog" || name == "elk" ? 1 : 0));
    usage.add(chosen.slots(i, 0), chosen.tasks[static_cast<std::size_t>(i)]);
  }
  CHECK(usage.slot_accuracy() > 0.0);
  CHECK(usage.slot_accuracy() <= 1.0);
  Measures const judged = learner.prompt_measures(exec, pictures);
  CHECK(measure(judged, "slot accuracy") == doctest::Approx(usage.slot_accuracy()).epsilon(1e-15));
  CHECK(measure(judged, "usage entropy") == usage.entropy());

  // Where the choice is right, the answer is that of a picture whose task is known.
  Matrix<float> const scores = answers<Method>(learner, pictures);
  Matrix<float> const known = learner.predict_in_own_slots(exec, pictures, in_batches(7)).scores;
  Index different = 0;
  for (Index i = 0; i < pictures.size(); ++i) {
    bool const right = chosen.slots(i, 0) == chosen.tasks[static_cast<std::size_t>(i)];
    CHECK(same_bits(scores[i], known[i]) == right);
    different += right ? 0 : 1;
  }
  CHECK(different > 0);  // or the last check says little
}

}  // namespace accrete::test::prompt_measures_test
