#pragma once

#include <accrete/core/hash.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/task.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/head/packed_cache.hpp>
#include <accrete/head/united_classes.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// What a head trained by gradient has learned: a store with one block for each task (blocks.hpp).
/// A head that is aligned after every task keeps two stores: the one that training goes on from, and the aligned one, which scores.
/// So nothing has to be put back after an evaluation, and an alignment never builds on the last one.
class BlockState {
 public:
  /// Width L of the features; 0 before the first task.
  [[nodiscard]] Index width() const { return width_; }
  [[nodiscard]] Index classes() const { return classes_; }
  /// What training goes on from.
  [[nodiscard]] ParameterStore<float> const& parameters() const { return parameters_; }
  [[nodiscard]] ParameterStore<float>& parameters() {
    packed_.clear();
    return parameters_;
  }
  /// What scores.
  [[nodiscard]] ParameterStore<float> const& scoring() const { return aligned_ ? *aligned_ : parameters_; }
  [[nodiscard]] bool is_aligned() const { return aligned_.has_value(); }

  /// Scores with these parameters until the next task is admitted; `parameters()` stay what they are.
  /// @throws ShapeError  when the segments are not those of `parameters()`; nothing is changed then
  void align(ParameterStore<float> aligned) {
    expects(aligned.size() == parameters_.size() && aligned.values().size() == parameters_.values().size(), "BlockState::align", "the aligned head must have the segments of the learned one",
            aligned.size(), parameters_.size(), aligned.values().size(), parameters_.values().size());
    aligned_ = std::move(aligned);
    packed_.clear();
  }

  /// Makes ready for a task: drops an alignment, adds zeros for the new classes, and lets the newest block learn. A task without new classes adds nothing.
  /// @throws ShapeError  for features of another width or columns that do not follow the known ones;  ValueError for a task that has a block already
  void admit(TaskInfo const& task, Index width, bool with_bias) {
    expects(width > 0 && (width_ == 0 || width == width_), "BlockState::admit", "the features must keep their width", width, width_);
    expects(task.index >= 0 && task.classes >= 0 && task.first_class == classes_, "BlockState::admit", "the new columns must follow the known ones", task.index, task.first_class, task.classes,
            classes_);
    if (task.classes > 0) {
      ParameterStore<float> wider = parameters_;
      add(wider, HeadBlock::weight_name(task.index), {task.classes, width}, task.index);
      if (with_bias) { add(wider, HeadBlock::bias_name(task.index), {task.classes}, task.index); }
      parameters_ = std::move(wider);
    }
    width_ = width;
    classes_ += task.classes;
    aligned_.reset();
    packed_.clear();
    let_learn(parameters_, LearningBlocks::newest);
  }

  /// Takes in the rows of another model; where either is aligned, what scores of both is united as well and scores.
  /// @throws ShapeError, ValueError  as `united_blocks`; nothing is changed then
  void unite(BlockState const& other, UnitedClasses const& united, ModelMerge const& how) {
    std::optional<ParameterStore<float>> aligned;
    if (is_aligned() || other.is_aligned()) { aligned = united_blocks(scoring(), other.scoring(), united, how); }
    parameters_ = united_blocks(parameters_, other.parameters_, united, how);
    aligned_ = std::move(aligned);
    classes_ = united.classes.size();
    packed_.clear();
  }

  /// The packed form of what scores; `make(executor)` packs it. Values may have changed since the last call: their bits are the name of the packed form.
  template <class Exec, class Make>
  [[nodiscard]] typename Exec::PackedWeights packed(Exec const& exec, Make const& make) const {
    auto const bytes = std::as_bytes(std::span(scoring().values().data(), static_cast<std::size_t>(scoring().values().size())));
    return packed_.get(exec, static_cast<Index>(hash64(bytes)), make);
  }

  /// The store, and the aligned one where there is one.
  template <class Writer>
  void write(Writer const& writer) const {
    writer.setting("width", width_);
    writer.setting("aligned", is_aligned());
    parameters_.write(writer.scope("learned"));
    if (aligned_) { aligned_->write(writer.scope("aligned")); }
  }

  /// @throws FileError  when something is missing or does not fit
  template <class Reader>
  [[nodiscard]] static BlockState read(Reader const& reader) {
    auto const file = reader.path().string();
    BlockState state;
    try {
      state.width_ = reader.template setting<Index>("width");
      state.parameters_ = ParameterStore<float>::read(reader.scope("learned"));
      if (reader.template setting<bool>("aligned")) { state.align(ParameterStore<float>::read(reader.scope("aligned"))); }
    } catch (ShapeError const& error) { fail<FileError>(file, "holds a head that does not fit together: ", error.what()); } catch (ValueError const& error) {
      fail<FileError>(file, "holds a head that does not fit together: ", error.what());
    }
    for (HeadBlock const& block : head_blocks(state.parameters_)) {
      auto const& shape = state.parameters_.segment(block.weight).shape;
      bool const fits = shape.size() == 2 && shape[1] == state.width_ && (block.bias.empty() || state.parameters_.segment(block.bias).shape == std::vector<Index>{shape[0]});
      if (!fits) { fail<FileError>(file, "holds block ", block.weight, " of another shape than [classes, ", state.width_, "]"); }
      state.classes_ += block.classes;
    }
    return state;
  }

 private:
  static void add(ParameterStore<float>& store, std::string name, std::vector<Index> shape, Index task) {
    store.add({.name = std::move(name), .shape = std::move(shape), .role = std::string(HeadBlock::role), .task = task});
  }

  Index width_ = 0;
  Index classes_ = 0;
  ParameterStore<float> parameters_;
  std::optional<ParameterStore<float>> aligned_;
  PackedCache packed_;
};

}  // namespace accrete
