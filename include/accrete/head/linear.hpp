#pragma once

#include <accrete/core/accumulates.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/head/block_state.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/host_product.hpp>
#include <accrete/head/initial_rows.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// A linear layer that grows by a block of rows with each task: z = concatenation over the tasks of W_t f + b_t.
/// Learned by gradient; sums are float64, so that bits do not depend on threads.
struct LinearHead {
  static constexpr std::string_view name = "linear";

  bool bias = true;
  InitialRows initial = InitialRows::normal;
  Index fan_out = 100;        ///< C of InitialRows::fan_out, whatever the number of classes comes to be
  std::uint64_t seed = 1993;  ///< draws the rows

  using State = BlockState;

  /// Adds the rows of a task and lets only them learn. Older rows keep their bits; an alignment is dropped.
  /// @throws ShapeError, ValueError  as `BlockState::admit`; nothing is changed then
  void admit(State& state, TaskInfo const& task, Index width) const {
    state.admit(task, width, bias);
    if (task.classes == 0) { return; }
    auto& store = state.parameters();
    auto const weight = store.view<2>(HeadBlock::weight_name(task.index)).reshaped<1>({task.classes * width});
    auto const random = detail::row_stream(seed, task.index, 0);
    double const bound = 1.0 / std::sqrt(static_cast<double>(width));
    if (initial == InitialRows::normal) { detail::draw_normal(random, 0.02F, weight); }
    if (initial == InitialRows::narrow) { detail::draw_normal(random, 0.001F, weight); }
    if (initial == InitialRows::uniform) { detail::draw_uniform(random, bound, weight); }
    if (initial == InitialRows::fan_out) { detail::draw_normal(random, static_cast<float>(std::sqrt(2.0 / static_cast<double>(fan_out))), weight); }
    if (initial == InitialRows::fan_out && bias) {
      auto const offsets = store.view<1>(HeadBlock::bias_name(task.index));
      std::fill(offsets.begin(), offsets.end(), -std::log(99.0F));
    }
    if (initial == InitialRows::uniform && bias) { detail::draw_uniform(detail::row_stream(seed, task.index, 1), bound, store.view<1>(HeadBlock::bias_name(task.index))); }
  }
  [[nodiscard]] Index classes(State const& state) const { return state.classes(); }

  /// Takes in the rows of another model.
  /// @throws ShapeError, ValueError  as `BlockState::unite`; nothing is changed then
  void unite(State& state, State const& other, UnitedClasses const& united, ModelMerge const& how) const { state.unite(other, united, how); }

  /// @param[in] features [B, L], host memory;  @param[out] logits [B, C], host memory
  /// @throws ValueError without a class;  ShapeError when the extents do not fit.   Cost: 2 * B * C * L flop
  template <class Exec, class T>
  void logits(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T>> logits) const {
    auto const blocks = head_blocks(store);
    detail::check_logits("LinearHead::logits", blocks, store, features.shape(), logits.shape());
    for (HeadBlock const& block : blocks) {
      auto z = Matrix<double>::zeros({features.extent(0), block.classes});
      kernels::row_products(exec, features, store.template view<2>(block.weight), z.view());
      for (Index i = 0; i < z.extent(0); ++i) {
        for (Index j = 0; j < z.extent(1); ++j) { logits(i, block.first + j) = static_cast<T>(z(i, j) + offset(store, block, j)); }
      }
    }
  }

  /// Back through `logits`:  df = sum over the blocks of dz_t W_t,  dW_t += dz_t^T f,  db_t += sum of dz_t over the rows.
  /// Squares of the samples' own instead:  dW_t += (dz_t^2)^T f^2,  db_t += sum of dz_t^2;  df is the same.
  /// Blocks that stand still get no gradient but pass theirs on.
  /// @param[in]  features [B, L], d_logits [B, C], host memory
  /// @param[out] d_features [B, L]
  /// @param[in,out] gradients  a store with the segments of `store`
  /// @throws ValueError without a class;  ShapeError when the extents do not fit.   Cost: 4 * B * C * L flop
  template <class Exec, class T>
  void backward(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T const>> d_logits, NonDeduced<MatrixView<T>> d_features,
                ParameterStore<T>& gradients, Accumulates what = Accumulates::sums) const {
    auto const blocks = head_blocks(store);
    detail::check_logits("LinearHead::backward", blocks, store, features.shape(), d_logits.shape());
    detail::check_gradients("LinearHead::backward", store, gradients, features.shape(), d_features.shape());
    auto df = Matrix<double>::zeros(features.shape());
    for (HeadBlock const& block : blocks) {
      auto dz = detail::block_columns(d_logits, block.first, block.classes);
      if (detail::all_zero(dz)) { continue; }
      kernels::column_products(exec, detail::turned(dz.cview()).cview(), store.template view<2>(block.weight), df.view());
      if (what == Accumulates::squares) {
        for (double& d : dz) { d *= d; }
      }
      if (store.segment(block.weight).trainable_rows > 0) {
        auto dw = Matrix<double>::zeros({block.classes, features.extent(1)});
        if (what == Accumulates::squares) {
          Matrix<double> squared(features.shape());
          std::transform(features.begin(), features.end(), squared.begin(), [](T f) { return static_cast<double>(f) * static_cast<double>(f); });
          kernels::column_products(exec, dz.cview(), squared.cview(), dw.view());
        } else {
          kernels::column_products(exec, dz.cview(), features, dw.view());
        }
        detail::add_rounded(dw.data(), dw.size(), gradients.template view<2>(block.weight).data());
      }
      if (!block.bias.empty() && store.segment(block.bias).trainable_rows > 0) {
        auto db = Vector<double>::zeros({block.classes});
        for (Index i = 0; i < dz.extent(0); ++i) {
          std::transform(dz[i].begin(), dz[i].end(), db.begin(), db.begin(), [](double a, double b) { return a + b; });
        }
        detail::add_rounded(db.data(), db.size(), gradients.template view<1>(block.bias).data());
      }
    }
    std::transform(df.begin(), df.end(), d_features.begin(), [](double x) { return static_cast<T>(x); });
  }

  /// @param[in] features [B, L], host memory;  @param[out] scores [B, C], host memory: the logits of what scores
  /// @throws ValueError without a class;  ShapeError when the extents do not fit.   Cost: 2 * B * C * L flop
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    detail::check_scored("LinearHead::scores", features, scores, state.classes(), state.width());
    auto const packed = state.packed(exec, [&](Exec const& in_float32) {
      auto const& store = state.scoring();
      Matrix<float> weights({state.classes(), state.width()});
      auto const blocks = head_blocks(store);
      bool const has_bias = std::any_of(blocks.begin(), blocks.end(), [](HeadBlock const& block) { return !block.bias.empty(); });
      Vector<float> offsets({has_bias ? state.classes() : 0});
      for (HeadBlock const& block : blocks) {
        auto const rows = store.template view<2>(block.weight);
        std::copy(rows.begin(), rows.end(), weights.view().slice(block.first, block.classes).begin());
        for (Index j = 0; j < block.classes && has_bias; ++j) { offsets(block.first + j) = static_cast<float>(offset(store, block, j)); }
      }
      return kernels::pack(in_float32, weights.cview(), offsets.cview());
    });
    host_product(exec, features, packed, {}, scores);
  }

  template <class Writer>
  void write(State const& state, Writer& writer) const {
    state.write(writer);
  }
  /// @throws FileError  when something is missing or does not fit; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    state = BlockState::read(reader);
  }

  [[nodiscard]] static std::vector<Setting<LinearHead>> settings() {
    return {choice_setting("bias", "whether every class has an offset", &LinearHead::bias, std::vector<std::pair<std::string, bool>>{{"on", true}, {"off", false}}),
            choice_setting("initial", "how the rows of a new task begin", &LinearHead::initial,
                           std::vector<std::pair<std::string, InitialRows>>{
                               {"normal", InitialRows::normal}, {"uniform", InitialRows::uniform}, {"zeros", InitialRows::zeros}, {"narrow", InitialRows::narrow}, {"fan-out", InitialRows::fan_out}}),
            number_setting("fan-out", "classes that the rows of a fan-out begin for", &LinearHead::fan_out, Index{1}, Index{1} << 32U),
            number_setting("seed", "draws the rows of new classes", &LinearHead::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max())};
  }

 private:
  template <class T>
  static double offset(ParameterStore<T> const& store, HeadBlock const& block, Index j) {
    return block.bias.empty() ? 0.0 : static_cast<double>(store.template view<1>(block.bias)[j]);
  }
};
static_assert(LearnsByGradient<LinearHead>);

}  // namespace accrete
