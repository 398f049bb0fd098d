#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/summation.hpp>
#include <accrete/nn/trained_linear.hpp>

#include <array>
#include <string>
#include <type_traits>
#include <vector>

namespace accrete::nn {

/// How many rows stand in front of the patches, and what they are called.
struct EmbeddingForm {
  Index width = 0;
  Index channels = 3;
  Index edge = 16;
  Index patches = 0;
  Index prefix = 0;      ///< rows in front of the patches
  Index positioned = 0;  ///< how many of them have a position: the first rows of `pos_embed`
};

/// Images to tokens, inside of a network that learns; projection, tokens and positions learn when the parameters say so.
template <class Exec, class T>
class TrainedEmbedding {
 public:
  using S = SumScalar<T>;
  using Scratch = ScratchPool<typename Exec::Memory>;

  TrainedEmbedding() = default;

  /// `pos_embed` is [positioned + patches, D], fitted to the images' grid.
  TrainedEmbedding(Exec const& exec, LayerParameters<S> const& parameters, EmbeddingForm const& form) : form_(form) {
    Index const inputs = form.channels * form.edge * form.edge;
    projection_ = TrainedLinear<Exec, T>(exec, parameters, {"patch_embed.proj", form.width, inputs, 0, form.width});
    for (std::size_t i = 0; i < names.size(); ++i) {
      values_[i] = parameters(names[i]);
      learned_[i] = parameters.learned(names[i]);
    }
    prefix_ = Matrix<S, typename Exec::Memory>({form.prefix, form.width});
    positions_ = Matrix<S, typename Exec::Memory>({form.patches, form.width});
    upload(exec, parameters.store().values());
  }

  void refresh(Exec const& exec, VectorView<S const> values) {
    projection_.refresh(exec, values);
    if (learns_rows()) { upload(exec, values); }
  }

  [[nodiscard]] bool learns() const { return projection_.learns() || learns_rows(); }
  /// Tells which part of the gradient `accumulate` writes where it is fresh.
  void tell_written(std::vector<LearnedPart>& written) const { projection_.tell_written(written); }
  /// Whether `accumulate` needs what the projection gives before scale and shift.
  [[nodiscard]] bool keeps_raw() const { return projection_.keeps_raw(); }

  /// @param[in] images [B, channels, H, W];  @param[out] raw [B * G, D] where `keeps_raw()`;  @param[out] tokens [B, P + G, D]
  void forward(Exec const& exec, TensorView<float const, 4> images, MatrixView<T> raw, TensorView<S, 3> tokens, Scratch const& scratch) const {
    auto const rows = scratch.template lease<S>(Shape<2>{images.extent(0) * form_.patches, form_.width});
    with_columns(exec, images, scratch, [&](RowsView<T> columns) { projection_.forward(exec, columns, RowsView<T>(raw), RowsView<S>(rows.view()), false, scratch); });
    kernels::assemble_tokens(exec, MatrixView<S const>(rows.view()), prefix_.view(), positions_.view(), tokens);
  }

  /// Adds the gradients of what learns here, or the squares of the samples' own.
  /// @param[in] d_tokens [B, P + G, D]
  void accumulate(Exec const& exec, TensorView<float const, 4> images, MatrixView<T> raw, TensorView<S, 3> d_tokens, VectorView<S> gradients, Scratch const& scratch, Summation how = {}) const {
    TensorView<S const, 3> const d(d_tokens);
    Index row = 0;
    for (std::size_t i = 0; i + 1 < names.size(); ++i) {
      Index const count = values_[i].size() / form_.width;
      if (learned_[i].learns) { add_tokens(exec, d, row, learned_[i].matrix(gradients, count), how); }
      row += count;
    }
    if (LearnedPart const& positions = learned_.back(); positions.learns) {
      auto const table = positions.matrix(gradients, form_.positioned + form_.patches);
      if (form_.positioned > 0) { add_tokens(exec, d, 0, table.slice(0, form_.positioned), how); }
      add_tokens(exec, d, form_.prefix, table.slice(form_.positioned, form_.patches), how);
    }
    if (!projection_.learns()) { return; }
    Index const batch = d_tokens.extent(0);
    auto const patches = scratch.template lease<S>(Shape<3>{batch, form_.patches, form_.width});
    kernels::take_tokens(exec, d, form_.prefix, patches.view());
    auto const rows = scratch.template lease<T>(Shape<2>{batch * form_.patches, form_.width});
    auto const use = [&](RowsView<T> dy) { with_columns(exec, images, scratch, [&](RowsView<T> columns) { projection_.accumulate(exec, columns, RowsView<T>(raw), dy, gradients, scratch, how); }); };
    if constexpr (std::is_same_v<S, T>) {
      use(RowsView<T>(patches.data(), batch * form_.patches, form_.width, form_.width));
    } else {
      kernels::convert(exec, VectorView<S const>(patches.data(), {rows.view().size()}), VectorView<T>(rows.data(), {rows.view().size()}));
      use(RowsView<T>(rows.view()));
    }
  }

 private:
  /// In the order of the sequence; positions last.
  inline static std::array<std::string, 4> const names{"cls_token", "dist_token", "reg_token", "pos_embed"};

  /// Each sequence has one of every row, so that the rows of a sample are summed as they stand.
  static void add_tokens(Exec const& exec, TensorView<S const, 3> d, Index first, MatrixView<S> to, Summation how) {
    if (!how.squares()) { return kernels::sum_tokens(exec, d, first, to); }
    RowsView<S const> const rows(d.data() + first * d.extent(2), d.extent(0), to.size(), d.extent(1) * d.extent(2));
    kernels::column_dots(exec, rows, rows, VectorView<S>(to.data(), {to.size()}));
  }

  [[nodiscard]] bool learns_rows() const {
    bool any = false;
    for (auto const& part : learned_) { any = any || part.learns; }
    return any;
  }

  void upload(Exec const& exec, VectorView<S const> values) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!learned_[i]) { continue; }
      auto const from = learned_[i].vector(values);
      std::copy(from.begin(), from.end(), values_[i].begin());
    }
    if (host_prefix_.extent(0) != form_.prefix) { host_prefix_ = Matrix<S>({form_.prefix, form_.width}); }
    S* out = host_prefix_.data();
    for (std::size_t i = 0; i + 1 < names.size(); ++i) { out = std::copy(values_[i].begin(), values_[i].end(), out); }
    Vector<S> const& table = values_.back();
    for (Index i = 0; i < form_.positioned * form_.width; ++i) { host_prefix_.data()[i] += table(i); }
    if (form_.prefix > 0) { kernels::upload(exec, host_prefix_.cview(), prefix_.view()); }
    kernels::upload(exec, MatrixView<S const>(std::as_const(table).data() + form_.positioned * form_.width, {form_.patches, form_.width}), positions_.view());
  }

  /// The cut-out patches as rows.
  template <class Use>
  void with_columns(Exec const& exec, TensorView<float const, 4> images, Scratch const& scratch, Use const& use) const {
    Shape<2> const shape{images.extent(0) * form_.patches, projection_.inputs()};
    auto const columns = scratch.template lease<T>(shape);
    if constexpr (std::is_same_v<T, double>) {
      auto const narrow = scratch.template lease<float>(shape);
      kernels::patches(exec, images, form_.edge, narrow.view());
      kernels::convert(exec, VectorView<float const>(narrow.data(), {narrow.view().size()}), VectorView<T>(columns.data(), {narrow.view().size()}));
    } else {
      kernels::patches(exec, images, form_.edge, columns.view());
    }
    use(RowsView<T>(columns.view()));
  }

  EmbeddingForm form_;
  TrainedLinear<Exec, T> projection_;
  std::array<Vector<S>, 4> values_;
  std::array<LearnedPart, 4> learned_;
  Matrix<S> host_prefix_;
  Matrix<S, typename Exec::Memory> prefix_;
  Matrix<S, typename Exec::Memory> positions_;
};

}  // namespace accrete::nn
