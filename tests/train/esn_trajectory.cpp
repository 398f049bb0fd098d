#include "support/trajectory.hpp"

#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/head/task_voting.hpp>
#include <accrete/host/host.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/groups.hpp>
#include <accrete/train/learning_part.hpp>
#include <accrete/train/loss/energy_anchor.hpp>
#include <accrete/train/network_source.hpp>
#include <accrete/train/prompted.hpp>
#include <accrete/train/schedule.hpp>
#include <accrete/train/sgd.hpp>
#include <accrete/tuning/class_attention.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test::esn_trajectory_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// Fifty steps of ESN over two tasks: the prompt learns in the first one, each task has a block and a classifier of its own, and energies vote.
class EsnTrajectory {
 public:
  using Prompt = FixedPrompt<Shallow>;

  EsnTrajectory()
      : bank_(reference_.network(), {}, 0),
        prompt_{.length = reference_.config["method"]["length"], .learns = PromptLearns::first_task},
        loss_{.weight = reference_.config["method"]["weight"], .level = reference_.config["method"]["target"], .beta = reference_.config["method"]["beta"]} {
    prompt_.fit_place(prompt_state_, prompt_place(bank_.trunk()));
    reference_.set(prompt_state_.parameters(), prompt_name, "param." + prompt_name);
  }

  void check() {
    reference_.for_tasks([&](TaskInfo const& task, Index steps) {
      CAPTURE(task.index);
      begin(task);
      learn(task, steps);
      calibrate(task);
    });
    reference_.compare(prompt_state_.parameters(), prompt_name, "final." + prompt_name);
    for (std::size_t task = 0; task < bank_.networks().size(); ++task) { compare_task(bank_.networks()[task].parameters(), head_state_.parameters(), "final.", static_cast<Index>(task)); }
    check_answers();
  }

 private:
  inline static std::string const prompt_name = std::string(Prompt::segment);

  [[nodiscard]] static std::string name_of(Index task, std::string const& part) { return message("task", task, '.', part); }
  [[nodiscard]] auto names_of_head(Index task) const {
    return std::vector<std::pair<std::string, std::string>>{{HeadBlock::weight_name(task), name_of(task, "head.weight")}, {HeadBlock::bias_name(task), name_of(task, "head.bias")}};
  }

  void compare_task(ParameterStore<float> const& block, ParameterStore<float> const& rows, std::string const& prefix, Index task) const {
    for (ParameterSegment const& segment : block.segments()) {
      REQUIRE(reference_.file.contains(prefix + name_of(task, segment.name)));
      reference_.compare(block, segment.name, prefix + name_of(task, segment.name));
    }
    for (auto const& [segment, name] : names_of_head(task)) {
      REQUIRE(reference_.file.contains(prefix + name));
      reference_.compare(rows, segment, prefix + name);
    }
  }

  void begin(TaskInfo const& task) {
    bank_.begin_task(task);
    prompt_.begin_task(prompt_state_, task);
    head_.admit(head_state_, task, bank_.trunk().width());
    auto block = bank_.tuned().parameters();
    for (ParameterSegment const& segment : bank_.tuned().parameters().segments()) { reference_.set(block, segment.name, "param." + name_of(task.index, segment.name)); }
    bank_.tuned().assign(std::move(block));
    for (auto const& [segment, name] : names_of_head(task.index)) { reference_.set(head_state_.parameters(), segment, "param." + name); }
    reference_.compare(prompt_state_.parameters(), prompt_name, message("task", task.index, ".start.", prompt_name));
  }

  void learn(TaskInfo const& task, Index steps) {
    auto const& config = reference_.config;
    Index const epoch = config["epoch"];
    CosineRate const schedule{.base = config["rate"], .steps = (steps + epoch - 1) / epoch};
    Sgd const sgd{.momentum = config["optimiser"]["momentum"]};
    ParameterGroup const group{.role = "", .weight_decay = config["optimiser"]["weight_decay"]};
    LearningPart<Sgd> block(sgd, "block", bank_.tuned().parameters());
    LearningPart<Sgd> prompt(sgd, "prompt", prompt_state_.parameters());
    LearningPart<Sgd> rows(sgd, "head", head_state_.parameters());
    ParameterStore<float> d_block = block.values();
    ParameterStore<float> d_prompt = prompt.values();
    ParameterStore<float> d_rows = rows.values();
    VitTrainer<HostExecutor<>> trainer(exec, bank_.tuned());
    auto hook = accrete::detail::learning_hook_of(exec, prompt_, prompt_state_);
    for (Index i = 0; i < steps; ++i) {
      Index const step = task.index * steps + i;
      CAPTURE(step);
      CHECK(schedule.rate(i / epoch) == doctest::Approx(reference_.rate(step)));
      reference_.run_step(exec, step, {task.first_class, task.classes}, trainer, hook, head_, rows.values(), d_rows, loss_);
      auto const gradients = trainer.gradients();
      std::copy(gradients.begin(), gradients.end(), d_block.values().begin());
      hook.collect(d_prompt);
      if (i == 0) {
        std::string const gradient = message("gradient", task.index, '.');
        compare_task(d_block, d_rows, gradient, task.index);
        if (task.index == 0) { reference_.compare(d_prompt, prompt_name, gradient + prompt_name); }
      }
      block.attach(std::as_const(d_block).values());
      prompt.attach(std::as_const(d_prompt).values());
      rows.attach(std::as_const(d_rows).values());
      for (auto* const part : {&block, &prompt, &rows}) { part->step(exec, std::span(&group, 1), schedule, i / epoch); }
      trainer.refresh(block.values());
      hook.refresh(prompt.values());
    }
    bank_.tuned().assign(block.take());
    prompt_state_.parameters() = prompt.take();
    head_state_.parameters() = rows.take();
  }

  [[nodiscard]] Matrix<float> features(Tensor<float, 4> const& images) const { return bank_.features(exec, images.cview(), prompt_.hook(exec, prompt_state_)); }

  void calibrate(TaskInfo const& task) {
    std::vector<Index> pictures;
    auto const all = reference_.data.read<Index, 1>("labels");
    for (Index i = 0; i < all.size(); ++i) {
      if (all(i) >= task.first_class && all(i) < task.first_class + task.classes) { pictures.push_back(i); }
    }
    head_.observe(exec, head_state_, features(reference_.images(pictures)).cview(), reference_.labels(pictures));
    head_.fit(exec, head_state_);
    if (task.index == 0) { return; }
    auto const shares = reference_.file.read<double, 1>("recognised");
    auto const& recognised = head_state_.votes().recognised;
    REQUIRE(static_cast<Index>(recognised.size()) == shares.size());
    for (Index c = 0; c < shares.size(); ++c) { CHECK(static_cast<double>(recognised[static_cast<std::size_t>(c)]) == doctest::Approx(shares(c) * static_cast<double>(pictures.size()))); }
  }

  void check_answers() {
    Index const width = bank_.trunk().width();
    auto const all = features(reference_.all_images());
    auto const temperatures = reference_.file.read<double, 1>("temperatures");
    CHECK(head_state_.votes().temperatures == std::vector<double>(temperatures.begin(), temperatures.end()));

    std::vector<Matrix<float>> logits;
    for (HeadBlock const& block : head_blocks(std::as_const(head_state_).parameters())) {
      CAPTURE(block.task);
      Matrix<float> own({all.extent(0), width});
      for (Index i = 0; i < own.extent(0); ++i) { std::copy_n(all.cview()[i].data() + block.task * width, width, own.view()[i].data()); }
      CHECK(relative_difference(own, reference_.file.read<double, 2>(name_of(block.task, "features"))) <= tolerance<float>(Kind::training));
      Matrix<float> everyone({own.extent(0), head_.classes(head_state_)});
      head_.logits(exec, std::as_const(head_state_).parameters(), own.cview(), everyone.view());
      Matrix<float> z({own.extent(0), block.classes});
      for (Index i = 0; i < z.extent(0); ++i) { std::copy_n(everyone.cview()[i].data() + block.first, block.classes, z.view()[i].data()); }
      CHECK(relative_difference(z, reference_.file.read<double, 2>(name_of(block.task, "logits"))) <= tolerance<float>(Kind::training));
      logits.push_back(std::move(z));
    }
    check_energies(logits);

    Matrix<float> scores({all.extent(0), head_.classes(head_state_)});
    head_.scores(exec, head_state_, all.cview(), scores.view());
    auto const classes = reference_.file.read<Index, 1>("vote.class");
    auto const tasks = reference_.file.read<Index, 1>("vote.task");
    for (Index i = 0; i < scores.extent(0); ++i) {
      CAPTURE(i);
      std::vector<VectorView<float const>> z;
      for (Matrix<float> const& own : logits) { z.push_back(own.cview()[i]); }
      auto const votes = EnergyVote{}.votes(head_state_.votes(), z);
      CHECK(std::max_element(votes.begin(), votes.end()) - votes.begin() == tasks(i));
      auto const row = scores.cview()[i];
      CHECK(std::max_element(row.begin(), row.end()) - row.begin() == classes(i));
    }
  }

  void check_energies(std::vector<Matrix<float>> const& logits) const {
    auto const want = reference_.file.read<double, 3>("energies");
    for (Index c = 0; c < want.extent(0); ++c) {
      double const temperature = EnergyVote::candidates[static_cast<std::size_t>(c)];
      CAPTURE(temperature);
      Matrix<double> energies(Shape<2>{want.extent(1), want.extent(2)});
      for (Index i = 0; i < energies.extent(0); ++i) {
        for (Index k = 0; k < energies.extent(1); ++k) { energies(i, k) = EnergyVote::energy(logits[static_cast<std::size_t>(k)].cview()[i], temperature); }
      }
      CHECK(relative_difference(energies, want.cview()[c]) <= tolerance<float>(Kind::training));
    }
  }

  TrajectoryFile reference_{"esn"};
  TuningBank<Vit<ClassAttention>> bank_;
  Prompt prompt_;
  Prompt::State prompt_state_;
  EnergyAnchor loss_;
  TaskVotingHead<> head_;
  TaskVotingHead<>::State head_state_;
};

}  // namespace

TEST_CASE("fifty steps of ESN over two tasks end where PyTorch's do: prompt, blocks, classifiers, temperatures and votes") { EsnTrajectory().check(); }

}  // namespace accrete::test::esn_trajectory_test
