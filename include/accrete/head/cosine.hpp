#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/head/block_state.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/host_product.hpp>
#include <accrete/head/initial_rows.hpp>
#include <accrete/head/unit_rows.hpp>
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

/// Cosines times a learned scale, with a block of rows for each task: z_c = sigma <f, w_c> / (|f| |w_c|), a zero vector gives 0.
/// sigma begins with 1 and decays like a weight; rows begin with U(-1 / sqrt L, 1 / sqrt L).
/// Learned by gradient; sums are float64, so that bits do not depend on threads.
struct CosineHead {
  static constexpr std::string_view name = "cosine";
  static constexpr std::string_view scale_name = "head.scale";  ///< the segment [1] of sigma

  std::uint64_t seed = 1993;  ///< draws the rows

  using State = BlockState;

  /// Adds the rows of a task and lets only them, and sigma, learn. Older rows keep their bits; an alignment is dropped.
  /// @throws ShapeError, ValueError  as `BlockState::admit`; nothing is changed then
  void admit(State& state, TaskInfo const& task, Index width) const {
    state.admit(task, width, false);
    auto& store = state.parameters();
    if (task.classes > 0) {
      auto const weight = store.view<2>(HeadBlock::weight_name(task.index)).reshaped<1>({task.classes * width});
      detail::draw_uniform(detail::row_stream(seed, task.index, 0), 1.0 / std::sqrt(static_cast<double>(width)), weight);
    }
    if (!store.contains(scale_name)) {
      store.add({.name = std::string(scale_name), .shape = {1}, .role = std::string(HeadBlock::role), .trainable_rows = 1});
      store.view<1>(scale_name)[0] = 1.0F;
    }
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
    detail::check_logits("CosineHead::logits", blocks, store, features.shape(), logits.shape());
    UnitRows const f(features);
    double const sigma = scale(store);
    for (HeadBlock const& block : blocks) {
      auto const cosines = compare(exec, f, UnitRows(store.template view<2>(block.weight)));
      for (Index i = 0; i < cosines.extent(0); ++i) {
        for (Index j = 0; j < cosines.extent(1); ++j) { logits(i, block.first + j) = static_cast<T>(sigma * cosines(i, j)); }
      }
    }
  }

  /// Back through `logits`, with fhat = f / |f|, what = w / |w| and dc = sigma dz:
  ///   dfhat = dc What,  dWhat = dc^T fhat,  dsigma += sum dz c,   and through the lengths as `UnitRows::backward`
  /// Blocks that stand still get no gradient but pass theirs on.
  /// @param[in]  features [B, L], d_logits [B, C], host memory
  /// @param[out] d_features [B, L]
  /// @param[in,out] gradients  a store with the segments of `store`
  /// @throws ValueError without a class;  ShapeError when the extents do not fit.   Cost: 6 * B * C * L flop
  template <class Exec, class T>
  void backward(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T const>> d_logits, NonDeduced<MatrixView<T>> d_features,
                ParameterStore<T>& gradients) const {
    auto const blocks = head_blocks(store);
    detail::check_logits("CosineHead::backward", blocks, store, features.shape(), d_logits.shape());
    detail::check_gradients("CosineHead::backward", store, gradients, features.shape(), d_features.shape());
    UnitRows const f(features);
    double const sigma = scale(store);
    double d_sigma = 0.0;
    auto df = Matrix<double>::zeros(features.shape());
    for (HeadBlock const& block : blocks) {
      auto dc = detail::block_columns(d_logits, block.first, block.classes);
      if (detail::all_zero(dc)) { continue; }
      UnitRows const w(store.template view<2>(block.weight));
      auto const cosines = compare(exec, f, w);
      for (Index i = 0; i < dc.size(); ++i) {
        d_sigma += dc.data()[i] * cosines.data()[i];
        dc.data()[i] *= sigma;
      }
      kernels::column_products(exec, detail::turned(dc.cview()).cview(), w.rows.cview(), df.view());
      if (store.segment(block.weight).trainable_rows > 0) {
        auto dw = Matrix<double>::zeros(w.rows.shape());
        kernels::column_products(exec, dc.cview(), f.rows.cview(), dw.view());
        w.backward(dw.view());
        detail::add_rounded(dw.data(), dw.size(), gradients.template view<2>(block.weight).data());
      }
    }
    if (store.segment(scale_name).trainable_rows > 0) { detail::add_rounded(&d_sigma, 1, gradients.template view<1>(scale_name).data()); }
    f.backward(df.view());
    std::transform(df.begin(), df.end(), d_features.begin(), [](double x) { return static_cast<T>(x); });
  }

  /// @param[in] features [B, L], host memory;  @param[out] scores [B, C], host memory: the logits of what scores
  /// @throws ValueError without a class;  ShapeError when the extents do not fit.   Cost: 2 * B * C * L flop
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    detail::check_scored("CosineHead::scores", features, scores, state.classes(), state.width());
    auto const packed = state.packed(exec, [&](Exec const& in_float32) {
      auto const& store = state.scoring();
      double const sigma = scale(store);
      Matrix<float> weights({state.classes(), state.width()});
      for (HeadBlock const& block : head_blocks(store)) {
        UnitRows const w(store.template view<2>(block.weight));
        std::transform(w.rows.begin(), w.rows.end(), weights.view().slice(block.first, block.classes).begin(), [sigma](double x) { return static_cast<float>(sigma * x); });
      }
      return kernels::pack(in_float32, weights.cview(), {});
    });
    host_product(exec, features, packed, {}, scores);
    for (Index i = 0; i < features.extent(0); ++i) {
      double const length = std::max(std::sqrt(detail::squared_length(features.data() + i * features.extent(1), features.extent(1))), least_length);
      for (float& score : scores[i]) { score = static_cast<float>(static_cast<double>(score) / length); }
    }
  }

  template <class Writer>
  void write(State const& state, Writer& writer) const {
    state.write(writer);
  }
  /// @throws FileError  when something is missing or does not fit; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    auto fresh = BlockState::read(reader);
    if (fresh.classes() > 0 && !std::as_const(fresh).parameters().contains(scale_name)) { fail<FileError>(reader.path().string(), "holds no ", scale_name); }
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<CosineHead>> settings() {
    return {number_setting("seed", "draws the rows of new classes", &CosineHead::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max())};
  }

 private:
  template <class T>
  static double scale(ParameterStore<T> const& store) {
    return static_cast<double>(store.template view<1>(scale_name)[0]);
  }

  /// Cosines [B, k].
  template <class Exec>
  static Matrix<double> compare(Exec const& exec, UnitRows const& f, UnitRows const& w) {
    auto cosines = Matrix<double>::zeros({f.rows.extent(0), w.rows.extent(0)});
    kernels::row_products(exec, f.rows.cview(), w.rows.cview(), cosines.view());
    return cosines;
  }
};
static_assert(LearnsByGradient<CosineHead>);

}  // namespace accrete
