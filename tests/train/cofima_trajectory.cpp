#include "support/file_order.hpp"

#include <accrete/host/host.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/train/groups.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/schedule.hpp>
#include <accrete/train/sgd.hpp>
#include <accrete/tuning/full.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test::cofima_trajectory_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// Fifty steps of CoFiMA over two tasks: a slow trunk, a Fisher pass behind each task, and the merge behind the second.
class CofimaTrajectory {
 public:
  CofimaTrajectory() : network_(reference_.network(), Full{}, {}), published_(network_.parameters()) {
    auto const& method = reference_.config["method"];
    merge_.alpha = method["alpha"];
    merge_.epsilon = method["eps"];
    merge_.fisher = {.batch = reference_.config["fisher_batch"], .cap = method["cap"]};
  }

  void check() {
    reference_.for_tasks([&](TaskInfo const& task, Index steps) {
      CAPTURE(task.index);
      auto const kept = network_.parameters();
      if (task.index > 0) { check_moved(kept, message("task", task.index, ".start.")); }
      learn(task, steps);
      if (task.index > 0) { check_moved(network_.parameters(), "trained."); }
      fold(task, kept);
    });
    check_moved(network_.parameters(), "final.");
    check_lengths();
    check_answers();
  }

 private:
  template <class Use>
  void for_segments(Use const& use) const {
    for (Index i = 0; i < published_.size(); ++i) { use(published_.segments()[static_cast<std::size_t>(i)].name, published_.trainable_of(i)); }
  }

  /// The rows of all tasks so far, which the reference has in one tensor.
  void compare_head(ParameterStore<float> const& rows, std::string const& prefix, Index first_task = 0) const {
    for (HeadBlock const& block : head_blocks(rows)) {
      if (block.task < first_task) { continue; }
      auto const compare = [&](std::string const& segment, std::string const& name) {
        CAPTURE(name);
        Index const width = name.ends_with("weight") ? network_.width() : 1;
        auto const all = stored_numbers(reference_.file, name);
        std::vector<double> const want(all.begin() + block.first * width, all.begin() + (block.first + block.classes) * width);
        CHECK(relative_difference(rows.values().slice(rows.offset(segment), block.classes * width), viewed(want)) <= tolerance<float>(Kind::training));
      };
      compare(block.weight, prefix + "head.weight");
      compare(block.bias, prefix + "head.bias");
    }
  }

  [[nodiscard]] Vector<double> moved(VectorView<float const> values, ParameterSpan const& span) const {
    Vector<double> difference({span.count});
    std::transform(values.data() + span.first, values.data() + span.first + span.count, published_.values().data() + span.first, difference.begin(),
                   [](float now, float then) { return static_cast<double>(now) - static_cast<double>(then); });
    return difference;
  }

  /// Weights hardly move, so that what they moved by is compared; each step rounds the weight itself besides.
  void check_moved(ParameterStore<float> const& now, std::string const& prefix) const {
    for_segments([&](std::string const& name, ParameterSpan const& span) {
      if (!reference_.file.contains(prefix + name)) { return; }
      CAPTURE(prefix + name);
      auto const end = stored_numbers(reference_.file, prefix + name);
      REQUIRE(static_cast<Index>(end.size()) == span.count);
      auto const got = moved(now.values(), span);
      Vector<double> want({span.count});
      std::transform(end.begin(), end.end(), published_.values().data() + span.first, want.begin(), [](double last, float first) { return last - static_cast<double>(first); });
      bool const keys_are_noise = prefix == "final." && name.ends_with("attn.qkv.bias");  // softmax does not see a key's bias: its Fisher information, hence its share, is rounding
      Index const part = keys_are_noise ? span.count / 3 : span.count;
      for (Index first = 0; first < span.count; first += 2 * part) {
        double difference = 0.0;
        for (Index i = first; i < first + part; ++i) { difference = std::max(difference, std::abs(got(i) - want(i))); }
        CHECK(difference <= tolerance<float>(Kind::training) * largest(want.cview()) + tolerance<float>(Kind::trajectory) * largest(viewed(end)));
      }
    });
  }
  [[nodiscard]] static double largest(VectorView<double const> values) {
    return std::accumulate(values.begin(), values.end(), 0.0, [](double most, double value) { return std::max(most, std::abs(value)); });
  }
  /// Of every tensor, also of those that the reference has no more of.
  void check_lengths() const {
    auto const now = network_.parameters().values();
    for_segments([&](std::string const& name, ParameterSpan const& span) {
      CAPTURE(name);
      double const want = stored_numbers(reference_.file, "moved." + name).front();
      double const allowed = tolerance<float>(Kind::training) * want + tolerance<float>(Kind::trajectory) * TrajectoryFile::length_of(now.slice(span.first, span.count));
      CHECK(std::abs(TrajectoryFile::length_of(moved(now, span).cview()) - want) <= allowed);
    });
  }

  void learn(TaskInfo const& task, Index steps) {
    head_.admit(rows_, task, network_.width());
    reference_.set_head(rows_.parameters(), task, network_.width());
    ColumnRange const competing{task.first_class, task.classes};
    auto const& config = reference_.config;
    MultiStepRate const schedule{.base = config["rate"], .milestones = {config["milestone"].get<Index>()}};
    Sgd const sgd{.momentum = config["optimiser"]["momentum"]};
    double const decay = config["optimiser"]["weight_decay"];
    ParameterGroup const fast{.role = "", .weight_decay = decay};
    ParameterGroup const slow{.role = "", .rate_factor = config["trunk"], .weight_decay = decay};
    LearningPart<Sgd> trunk(sgd, "network", network_.parameters());
    LearningPart<Sgd> rows(sgd, "head", rows_.parameters());
    ParameterStore<float> d_rows = rows_.parameters();
    VitTrainer<HostExecutor<>> trainer(exec, network_);
    NoHook hook;
    for (Index i = 0; i < steps; ++i) {
      Index const step = task.index * steps + i;
      CAPTURE(step);
      CHECK(schedule.rate(i) == doctest::Approx(reference_.rate(step)));
      reference_.run_step(exec, step, competing, trainer, hook, head_, rows.values(), d_rows, CrossEntropy{});
      if (i == 0) {
        std::string const gradient = message("gradient", task.index, '.');
        for_segments([&](std::string const& name, ParameterSpan const& span) { reference_.compare_or_length(trainer.gradients().slice(span.first, span.count), gradient + name); });
        compare_head(d_rows, gradient, task.index);
      }
      trunk.attach(trainer.gradients());
      rows.attach(std::as_const(d_rows).values());
      trunk.step(exec, std::span(&slow, 1), schedule, i);
      rows.step(exec, std::span(&fast, 1), schedule, i);
      trainer.refresh(trunk.values());
    }
    network_.assign(trunk.take());
    rows_.parameters() = rows.take();
  }

  void fold(TaskInfo const& task, ParameterStore<float> kept) {
    std::vector<Index> pictures;
    auto const all = reference_.data.read<Index, 1>("labels");
    for (Index i = 0; i < all.size(); ++i) {
      if (all(i) >= task.first_class && all(i) < task.first_class + task.classes) { pictures.push_back(i); }
    }
    auto fisher = fisher_in_file_order(exec, reference_, network_, std::as_const(rows_).parameters(), pictures, reference_.labels(pictures), merge_.fisher, merge_.fisher.batch);
    for_segments([&](std::string const& name, ParameterSpan const& span) {  // a square has twice the relative error
      reference_.compare_or_length(fisher.cview().slice(span.first, span.count), message("fisher", task.index, '.', name), 2 * tolerance<float>(Kind::training));
    });
    merge_.fold(merged_, kept.values(), network_.parameters().values(), std::move(fisher));
    network_.assign(std::move(kept));
  }

  void check_answers() {
    auto const& rows = std::as_const(rows_).parameters();
    compare_head(rows, "final.");
    auto const features = network_.features(exec, reference_.all_images().cview());
    CHECK(relative_difference(features, reference_.file.read<double, 2>("features")) <= tolerance<float>(Kind::training));
    Matrix<float> logits({features.extent(0), head_.classes(rows_)});
    head_.logits(exec, rows, features.cview(), logits.view());
    CHECK(relative_difference(logits, reference_.file.read<double, 2>("logits")) <= tolerance<float>(Kind::training));
  }

  TrajectoryFile reference_{"cofima"};
  Vit<Full> network_;
  ParameterStore<float> published_;
  FisherMerge<> merge_;
  FisherMerge<>::State merged_;
  LinearHead head_;
  LinearHead::State rows_;
};

}  // namespace

TEST_CASE("fifty steps of CoFiMA over two tasks end where PyTorch's do: the trunk, its Fisher information, and what they are merged to") { CofimaTrajectory().check(); }

}  // namespace accrete::test::cofima_trajectory_test
