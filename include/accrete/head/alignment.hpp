#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/head/class_moments.hpp>
#include <accrete/head/class_sampler.hpp>
#include <accrete/train/groups.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/loss/logit_normalisation.hpp>
#include <accrete/train/schedule.hpp>
#include <accrete/train/sgd.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// What the mean of a class is multiplied by before features are drawn around it, with the task tau it came with and the latest task t:
///   none         1
///   by_task      0.9 + 0.1 (tau + 1) / (t + 1)
///   by_division  the same with tau = column div (classes of the latest task), as the release of SLCA has it: wrong for tasks of unequal size
enum class MeanShrinkage { none, by_task, by_division };

/// Trains the rows of a head on features drawn from the classes' moments, so that old and new classes are weighed against each other without old data.
/// Each epoch draws as many rows for every class, shuffles them, and takes one step of SGD for each class; the rate follows a cosine over the epochs to 0.
/// The loss is the cross-entropy over all classes, of the logits or of the logits divided by the mean length of their task's blocks.
/// The defaults are SLCA's. MOS: epochs 30, rows 5 * batch, rate 0.005, shrinkage none, temperature 0.
/// @source Zhang et al., "SLCA: Slow Learner with Classifier Alignment for Continual Learning on a Pre-trained Model", ICCV 2023, arXiv:2303.05118, stage 2
struct Alignment {
  Index epochs = 5;
  Index rows = 256;  ///< drawn for each class in each epoch, and in each step
  double rate = 0.01;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  double ridge = 1e-4;       ///< added to the diagonal of every covariance
  double temperature = 0.1;  ///< of the normalised logits; 0: the logits as they are
  MeanShrinkage shrinkage = MeanShrinkage::by_task;
  double ageing = 0.0;  ///< a: drawn features of a class k tasks old are divided by 1 + r k, r ~ U(a / 2, 3 a / 2); 0: not at all (SLCA++: 0.02)
  std::uint64_t seed = 1993;

  /// s of a class.
  /// @param[in] task the one the class came with;  @param[in] latest task and its number of classes
  [[nodiscard]] double mean_scale(Index column, Index task, Index latest, Index latest_classes) const {
    if (shrinkage == MeanShrinkage::none) { return 1.0; }
    Index const tau = shrinkage == MeanShrinkage::by_task ? task : column / std::max<Index>(1, latest_classes);
    return 0.9 + 0.1 * static_cast<double>(tau + 1) / static_cast<double>(latest + 1);
  }

  /// What the features are multiplied by before the rows of a task score them: 1 + a (latest - task).
  [[nodiscard]] double age_factor(Index task, Index latest) const { return 1.0 + ageing * static_cast<double>(latest - task); }

  /// Shortens drawn features of a class that came some tasks ago: its real ones are longer by now.
  /// @param[in,out] drawn [n, L];  @param[in] key  its purpose and object are replaced
  void age(MatrixView<float> drawn, Index tasks_since, RngKey key, Index column) const {
    key.purpose = Purpose::ageing;
    key.object = static_cast<std::uint64_t>(column);
    Rng const random(key);
    for (Index i = 0; i < drawn.extent(0); ++i) {
      double const r = ageing * (0.5 + random.uniform(static_cast<std::uint64_t>(i)));
      double const factor = 1.0 / (1.0 + r * static_cast<double>(tasks_since));
      for (float& x : drawn[i]) { x = static_cast<float>(factor * static_cast<double>(x)); }
    }
  }

  /// The aligned head; what is given stays as it is, so there is nothing to restore.
  /// @param[in] store   the learned head: all its blocks learn here
  /// @param[in] moments of every class of the head, in the order of its columns;  @param[in] tasks [C] the one each class came with
  /// @throws ShapeError, ValueError  when head, moments and tasks do not fit or settings make no sense
  /// Cost: epochs * C * rows * (2 L^2 + 6 C L) flop.  Deterministic for any number of threads.
  template <class Exec, class Head>
  [[nodiscard]] ParameterStore<float> operator()(Exec const& exec, Head const& head, ParameterStore<float> store, ClassMoments const& moments, std::span<Index const> tasks) const {
    auto const blocks = head_blocks(store);
    Index const classes = blocks.empty() ? 0 : blocks.back().first + blocks.back().classes;
    check(classes, moments, tasks);
    let_learn(store, LearningBlocks::all);

    ClassSampler const sampler(exec, moments, ridge);
    std::vector<Index> widths;
    for (HeadBlock const& block : blocks) { widths.push_back(block.classes); }  // NOLINT(performance-inefficient-vector-operation): a few blocks
    Index const latest = *std::max_element(tasks.begin(), tasks.end());
    Sgd const optimizer{.momentum = momentum};
    auto progress = optimizer.start(std::as_const(store));
    auto gradients = store;
    std::array<ParameterGroup, 1> const groups{ParameterGroup{.role = {}, .weight_decay = weight_decay}};
    std::vector<ParameterUpdate> updates;

    Index const width = moments.width();
    Matrix<float> pool({classes * rows, width});
    Matrix<float> batch({rows, width});
    Matrix<float> unused({rows, width});
    for (Index epoch = 0; epoch < epochs; ++epoch) {
      RngKey const key{.seed = seed, .purpose = Purpose::class_sampling, .task = static_cast<std::uint32_t>(latest), .epoch = static_cast<std::uint32_t>(epoch)};
      for (Index c = 0; c < classes; ++c) {
        double const scale = mean_scale(c, tasks[static_cast<std::size_t>(c)], latest, std::count(tasks.begin(), tasks.end(), latest));
        auto const drawn = pool.view().slice(c * rows, rows);
        sampler.draw(exec, c, scale, key, 0, drawn);
        if (ageing > 0.0) { age(drawn, latest - tasks[static_cast<std::size_t>(c)], key, c); }
      }
      auto const order = Rng({.seed = seed, .purpose = Purpose::shuffle, .task = key.task, .epoch = key.epoch}).permutation(classes * rows);
      plan_step(store, groups, CosineRate{.base = rate, .steps = epochs}, epoch, store.trainable(), updates);
      for (Index step = 0; step < classes; ++step) {
        std::vector<Index> labels;
        for (Index i = 0; i < rows; ++i) {
          Index const drawn = order[static_cast<std::size_t>(step * rows + i)];
          labels.push_back(drawn / rows);
          std::copy_n(pool.data() + drawn * width, width, batch.data() + i * width);
        }
        std::fill(gradients.values().begin(), gradients.values().end(), 0.0F);
        auto const d_logits = loss_gradient(exec, head, store, batch.cview(), labels, widths);
        head.backward(exec, store, batch.cview(), d_logits.cview(), unused.view(), gradients);
        optimizer.step(exec, progress, store, std::as_const(gradients).values(), updates);
      }
    }
    return store;
  }

  [[nodiscard]] static std::vector<Setting<Alignment>> settings() {
    return {number_setting("epochs", "passes over drawn features", &Alignment::epochs, Index{0}, Index{1'000'000}),
            number_setting("rows", "features drawn for each class in each epoch", &Alignment::rows, Index{1}, Index{1'000'000}),
            number_setting("rate", "step size at first", &Alignment::rate, 0.0, 1e3),
            number_setting("momentum", "share of the last step's direction that stays", &Alignment::momentum, 0.0, 1.0),
            number_setting("weight_decay", "pulls weights towards zero", &Alignment::weight_decay, 0.0, 1e3),
            number_setting("ridge", "added to the diagonal of every covariance", &Alignment::ridge, 1e-30, 1e6),
            number_setting("temperature", "of the normalised logits, 0 for the logits as they are", &Alignment::temperature, 0.0, 1e6),
            number_setting("ageing", "how much longer features become with each task, on average", &Alignment::ageing, 0.0, 1e3),
            choice_setting("shrinkage", "how the means of older classes are shrunk", &Alignment::shrinkage,
                           std::vector<std::pair<std::string, MeanShrinkage>>{{"none", MeanShrinkage::none}, {"by_task", MeanShrinkage::by_task}, {"by_division", MeanShrinkage::by_division}}),
            number_setting("seed", "draws and shuffles the features", &Alignment::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max())};
  }

 private:
  void check(Index classes, ClassMoments const& moments, std::span<Index const> tasks) const {
    if (classes == 0) { fail<ValueError>("Alignment", "there is no class yet"); }
    expects(moments.classes() == classes && static_cast<Index>(tasks.size()) == classes, "Alignment", "there must be moments and a task for every class of the head", classes, moments.classes(),
            tasks.size());
    expects(epochs >= 0 && rows > 0, "Alignment", "epochs must not be negative and rows must be positive", epochs, rows);
    for (Index c = 0; c < classes; ++c) {
      if (moments.count(c) == 0) { fail<ValueError>("Alignment", "class ", c, " has no sample to draw from"); }
    }
  }

  template <class Exec, class Head>
  [[nodiscard]] Matrix<float> loss_gradient(Exec const& exec, Head const& head, ParameterStore<float> const& store, MatrixView<float const> batch, std::vector<Index> const& labels,
                                            std::vector<Index> const& widths) const {
    Index classes = 0;
    for (Index const block : widths) { classes += block; }
    Matrix<float> logits({batch.extent(0), classes});
    Matrix<float> d_logits(logits.shape());
    head.logits(exec, store, batch, logits.view());
    ColumnRange const all{0, classes};
    if (temperature == 0.0) {
      CrossEntropy{}(logits.cview(), labels, all, d_logits.view());
      return d_logits;
    }
    LogitNormalisation const normalisation{.temperature = temperature};
    Matrix<float> normalised(logits.shape());
    normalisation.forward(logits.cview(), widths, normalised.view());
    CrossEntropy{}(normalised.cview(), labels, all, d_logits.view());
    normalisation.backward(logits.cview(), widths, d_logits.cview(), d_logits.view());
    return d_logits;
  }
};

}  // namespace accrete
