#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/stream/join.hpp>
#include <accrete/train/batch_order.hpp>
#include <accrete/train/checkpoint.hpp>
#include <accrete/train/gradient/concept.hpp>
#include <accrete/train/learning_part.hpp>
#include <accrete/train/loss/concept.hpp>
#include <accrete/train/task_plan.hpp>
#include <accrete/train/term/stage_terms.hpp>
#include <accrete/train/training_settings.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// One stage of learning by gradient, from the parameters as they come to the end of the last epoch:
///   for every epoch and batch:  features -> logits -> loss -> back through head and source -> clip -> step -> merge -> refresh
/// Every random number has a key of its own (seed, purpose, task, epoch, sample), so a stage that is interrupted and goes on ends with the same bits.
/// @tparam Source  where features come from and gradients go to: a network that learns, or features at hand (train/network_source.hpp, train/feature_source.hpp)
/// @tparam Head    LearnsByGradient;  @tparam Protocol  GradientProtocol
template <class Exec, class Source, class Head, class Protocol>
class GradientLoop {
  using Optimizer = typename Protocol::Optimizer;
  using Constraint = typename Protocol::GradientPolicy;

 public:
  /// @param exec, source, head, protocol, task  must outlive the loop;  @param[in] parameters  of the head
  GradientLoop(Exec const& exec, Source& source, Head const& head, ParameterStore<float> parameters, Protocol const& protocol, TrainingTask const& task)
      : exec_(exec),
        source_(source),
        head_(head),
        protocol_(protocol),
        settings_(protocol.training),
        task_(task),
        classes_(head_classes(parameters)),
        gradients_(parameters),
        part_(protocol.optimizer, "head", std::move(parameters)),
        parts_(source.parts()),
        terms_(protocol.loss, head, part_.values(), parts_, task.earlier),
        schedule_(settings_.schedule()),
        groups_(settings_.groups(task.number)) {
    parts_.push_back(&part_);
    if (task.moments != nullptr) {
      for (auto* const part : parts_) { part->go_on(*task.moments); }
    }
    expects(static_cast<Index>(task.columns.size()) == source.samples(), "GradientLoop", "there must be one class per sample", task.columns.size(), source.samples());
  }

  /// Runs to the end.
  /// @throws ValueError   when the loss is no longer finite;  what the source throws
  /// @throws Interrupted  when the checkpoint's `stop` said so; where it was is then in the checkpoint's file
  void run(TrainingRun const& run) {
    std::optional<CheckpointClock> clock;
    if (run.checkpoint != nullptr) {
      clock.emplace(*run.checkpoint);
      restore(run.checkpoint->file);
    }
    Index const batches = order().batches();
    for (; place_.epoch < settings_.epochs && batches > 0; place_ = {.epoch = place_.epoch + 1, .steps = place_.steps}) {
      source_.begin_epoch(order(), place_.batch);
      while (source_.next()) {
        step();
        if (run.progress) { run.progress({place_.epoch, settings_.epochs, place_.batch, batches, place_.loss / static_cast<double>(std::max<Index>(place_.samples, 1))}); }
        if (clock) { keep(*run.checkpoint, *clock); }
      }
    }
    if (task_.moments != nullptr) {
      for (auto const* const part : parts_) { part->leave(*task_.moments); }
    }
  }

  /// Hands the head's parameters over.
  [[nodiscard]] ParameterStore<float> take_head() { return part_.take(); }
  /// Mean loss of the last epoch; 0 when there was none.
  [[nodiscard]] double last_loss() const { return last_loss_; }

 private:
  struct Place {
    Index epoch = 0;
    Index batch = 0;    ///< batches done in this epoch
    Index steps = 0;    ///< in all
    Index samples = 0;  ///< of this epoch
    double loss = 0.0;  ///< sum over the samples of this epoch
  };

  static Index head_classes(ParameterStore<float> const& parameters) {
    Index classes = 0;
    for (HeadBlock const& block : head_blocks(parameters)) { classes += block.classes; }
    return classes;
  }

  /// Of the epoch at hand.
  [[nodiscard]] BatchOrder order() const {
    return {.samples = source_.samples(),
            .batch = settings_.batch,
            .seed = settings_.seed,
            .task = static_cast<std::uint32_t>(task_.number),
            .epoch = static_cast<std::uint32_t>(place_.epoch),
            .drop_last = settings_.drop_last};
  }
  /// Of the batch at hand.
  [[nodiscard]] RngKey dropout() const {
    return {.seed = settings_.seed,
            .purpose = Purpose::dropout,
            .task = static_cast<std::uint32_t>(task_.number),
            .epoch = static_cast<std::uint32_t>(place_.epoch),
            .object = static_cast<std::uint64_t>(source_.batches_done())};
  }

  [[nodiscard]] bool only_head_learns() const { return task_.number > 0 && place_.epoch < settings_.frozen_epochs; }

  void step() {
    std::vector<Index> const labels = columns_at(task_.columns);
    auto const count = static_cast<Index>(labels.size());
    clear();
    double loss = add_gradient(labels, 1.0);
    if (!std::isfinite(loss)) { fail<ValueError>("learning by gradient", "the loss is no longer finite in epoch ", place_.epoch, ", batch ", place_.batch, "; a smaller rate may help"); }
    source_.collect();
    part_.attach(gradients_.values());
    loss += terms_.hold(parts_);
    if constexpr (Constraint::needs != GradientConstraints::none) { constrain(); }
    if (settings_.clip > 0.0) { clip_together(parts_, settings_.clip); }
    for (auto* const part : parts_) {
      if (!only_head_learns() || part == &part_) { part->step(exec_, groups_, schedule_, place_.epoch); }
    }
    if (task_.merge.change) { source_.change(task_.merge.change); }
    if (task_.merge.follow) { source_.look(task_.merge.of_prompt, task_.merge.follow); }
    if (!only_head_learns() || task_.merge.change) { source_.refresh(); }

    place_.batch = source_.batches_done();
    ++place_.steps;
    place_.samples += count;
    place_.loss += loss * static_cast<double>(count);
    last_loss_ = place_.loss / static_cast<double>(place_.samples);
  }

  /// The classes of the source's batch.
  [[nodiscard]] std::vector<Index> columns_at(std::vector<Index> const& columns) const {
    auto const positions = source_.positions();
    std::vector<Index> labels(positions.size());
    std::transform(positions.begin(), positions.end(), labels.begin(), [&](Index position) { return columns[static_cast<std::size_t>(position)]; });
    return labels;
  }

  /// The classes as the learner counts them.
  [[nodiscard]] std::vector<Index> known_columns(std::vector<Index> labels) const {
    for (Index& label : labels) { label += task_.first_column; }
    return labels;
  }

  void clear() {
    std::fill(gradients_.values().begin(), gradients_.values().end(), 0.0F);
    source_.clear();
  }

  /// Forward and back through the source's batch; adds `weight` times the gradient of its mean loss.
  double add_gradient(std::vector<Index> const& labels, double weight) {
    auto const count = static_cast<Index>(labels.size());
    reserve(count);
    auto const features = features_.view().slice(0, count);
    auto const d_features = d_features_.view().slice(0, count);
    auto const logits = logits_.view().slice(0, count);
    auto const d_logits = d_logits_.view().slice(0, count);
    source_.forward(features, known_columns(labels), dropout());
    head_.logits(exec_, part_.values(), features, logits);
    terms_.look(exec_, source_, count, classes_);
    double loss = protocol_.loss(logits, labels, task_.competing, d_logits);
    loss += terms_.judge_logits(logits, d_logits);
    if (weight != 1.0) {
      for (float& d : d_logits) { d = static_cast<float>(static_cast<double>(d) * weight); }
    }
    head_.backward(exec_, part_.values(), features, d_logits, d_features, gradients_);
    if constexpr (JudgesFeatures<typename Protocol::Loss>) { loss += protocol_.loss.judge(exec_, task_.means.cview(), features, weight, d_features) / weight; }
    loss += terms_.judge_features(features, weight, d_features);
    loss += source_.own_loss(weight) / weight;
    if (!only_head_learns()) { source_.backward(d_features); }
    return loss;
  }

  /// Changes the gradient in the light of those on the memories of earlier tasks.
  void constrain() {
    if (task_.memories.empty()) { return; }
    Index const learning = learning_parameters(parts_);
    Vector<float> gradient({learning});
    gather_gradient(parts_, gradient.view());
    std::vector<ReplayedTask> const looked_at = memories();
    Matrix<float> constraints({static_cast<Index>(looked_at.size()), learning});
    for (std::size_t k = 0; k < looked_at.size(); ++k) {
      clear();
      auto const samples = static_cast<double>(looked_at[k].columns.size());
      source_.replay(looked_at[k].pictures, [&] {
        std::vector<Index> const labels = columns_at(looked_at[k].columns);
        add_gradient(labels, static_cast<double>(labels.size()) / samples);
      });
      source_.collect();
      part_.attach(gradients_.values());
      gather_gradient(parts_, constraints.view()[static_cast<Index>(k)]);
    }
    protocol_.constraint.project(gradient.view(), constraints.cview());
    scatter_gradient(gradient.cview(), parts_);
  }

  /// The memories as the policy wants them: each, or as many pictures as a batch has drawn from all.
  [[nodiscard]] std::vector<ReplayedTask> memories() const {
    if constexpr (Constraint::needs == GradientConstraints::every_task) {
      return task_.memories;
    } else {
      std::vector<Examples> parts;
      std::vector<Index> columns;
      for (ReplayedTask const& memory : task_.memories) {
        parts.push_back(memory.pictures);
        columns.insert(columns.end(), memory.columns.begin(), memory.columns.end());
      }
      RngKey key = dropout();
      key.purpose = Purpose::class_sampling;
      std::vector<Index> drawn = Rng(key).permutation(static_cast<Index>(columns.size()));
      drawn.resize(std::min(drawn.size(), static_cast<std::size_t>(settings_.batch)));
      ReplayedTask batch{join(std::move(parts)).subset(drawn), {}};
      for (Index const position : drawn) { batch.columns.push_back(columns[static_cast<std::size_t>(position)]); }
      return {batch};
    }
  }

  void reserve(Index count) {
    if (features_.extent(0) >= count) { return; }
    features_ = Matrix<float>({count, source_.width()});
    d_features_ = Matrix<float>({count, source_.width()});
    logits_ = Matrix<float>({count, classes_});
    d_logits_ = Matrix<float>({count, classes_});
  }

  void keep(TrainingCheckpoint const& checkpoint, CheckpointClock& clock) const {
    bool const stops = checkpoint.wants_to_stop();
    if (!clock.is_due(place_.steps) && !stops) { return; }
    ModelWriter const writer(kind);
    writer.setting("fingerprint", task_.fingerprint);
    writer.setting("place", std::vector<Index>{place_.epoch, place_.batch, place_.steps, place_.samples});
    writer.setting("loss", place_.loss);
    for (auto const* const part : parts_) { part->write(writer); }
    source_.write(writer);
    if (task_.merge.write) { task_.merge.write(writer.scope("merge")); }
    writer.write(checkpoint.file);
    if (stops) { fail<Interrupted>("learning by gradient", "stopped in epoch ", place_.epoch + 1, " of ", settings_.epochs, " after ", place_.batch, " batches"); }
  }

  void restore(std::filesystem::path const& file) {
    if (!std::filesystem::exists(file)) { return; }
    ModelReader const reader = ModelReader::open(file, kind);
    if (reader.setting<std::string>("fingerprint") != task_.fingerprint) { return; }
    auto const place = reader.setting<std::vector<Index>>("place");
    if (place.size() != 4) { fail<FileError>(file.string(), "does not say where the learning was"); }
    for (auto* const part : parts_) { part->read(reader); }
    source_.read(reader);
    if (task_.merge.read) { task_.merge.read(reader.scope("merge")); }
    source_.refresh();
    place_ = {place[0], place[1], place[2], place[3], reader.setting<double>("loss")};
  }

  static constexpr std::string_view kind = "training";

  Exec const& exec_;
  Source& source_;
  Head const& head_;
  Protocol const& protocol_;
  TrainingSettings const& settings_;
  TrainingTask const& task_;
  Index classes_;
  ParameterStore<float> gradients_;
  LearningPart<Optimizer> part_;
  LearningParts<Optimizer> parts_;  ///< everything that steps
  StageTerms<typename Protocol::Loss, Head> terms_;
  AnyRate schedule_;
  std::array<ParameterGroup, 4> groups_;
  Place place_;
  double last_loss_ = 0.0;
  Matrix<float> features_;
  Matrix<float> d_features_;
  Matrix<float> logits_;
  Matrix<float> d_logits_;
};

}  // namespace accrete
