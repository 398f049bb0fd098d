#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/kernels/parts.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/class_attention.hpp>
#include <accrete/nn/layer_parameters.hpp>
#include <accrete/nn/trained_block.hpp>

#include <optional>
#include <string>
#include <vector>

namespace accrete::nn {

/// A class-attention block while it learns: forward with a tape of its own, and backward to its token, its layers and the rows it reads.
/// @tparam T  scalar of activations: float, bfloat16, or double for checking gradients
template <class Exec, class T>
class TrainedClassAttention {
 public:
  using S = SumScalar<T>;
  using Memory = typename Exec::Memory;
  using Scratch = ScratchPool<Memory>;

  /// Whether the parameters have such a block.
  [[nodiscard]] static bool is_in(LayerParameters<S> const& parameters) { return static_cast<bool>(parameters.learned(std::string(ClassAttentionForm::token))); }

  TrainedClassAttention(Exec const& exec, LayerParameters<S> const& parameters, Index width, Index heads)
      : learned_token_(parameters.learned(std::string(ClassAttentionForm::token))), token_(Shape<3>{1, 1, width}), block_(exec, parameters, std::string(ClassAttentionForm::name), form(width, heads)) {
    upload_token(exec, parameters.store().values());
    exec.wait();
  }

  void refresh(Exec const& exec, VectorView<S const> values) {
    block_.refresh(exec, values);
    upload_token(exec, values);
  }

  /// Tells which parts of the gradient `backward` writes where it is fresh.
  void tell_written(std::vector<LearnedPart>& written) const { block_.tell_written(written); }

  /// Gives back the memory of the last batch.
  void forget() { tape_.reset(); }

  /// @param[in] tokens [B, N, D];  @param[out] features [B, D];  @param[in] scratch  must outlive the tape
  void forward(Exec const& exec, TensorView<S const, 3> tokens, MatrixView<S> features, Scratch const& scratch) {
    forget();
    Index const batch = tokens.extent(0);
    Index const length = tokens.extent(1) + 1;
    tape_.emplace(Tape{scratch.template lease<S>(Shape<3>{batch, length, tokens.extent(2)}), BlockTapeStorage<T, Memory>(scratch, block_.tape_extents(batch, length))});
    kernels::insert_tokens(exec, tokens, TensorView<S const, 3>(token_.view()), 0, tape_->x.view());
    BlockTape<T> const tape = tape_->storage.views(tape_->x.view());
    TensorView<S, 3> const out(features.data(), {batch, 1, features.extent(1)});
    in_parts(exec, batch, length, [&](Exec const& own, Index first, Index count) { block_.forward(own, {}, tape.part(first, count), {}, out.slice(first, count), scratch); });
  }

  /// Adds the gradients of what learns here, or the squares of the samples' own.
  /// @param[in] d_features [B, D];  @param[out] d_tokens [B, N, D], or empty where nobody needs it
  void backward(Exec const& exec, MatrixView<S const> d_features, TensorView<S, 3> d_tokens, VectorView<S> gradients, Scratch const& scratch, Summation how = {}) const {
    BlockTape<T> const tape = tape_->storage.views(tape_->x.view());
    Index const batch = tape.x.extent(0);
    Index const length = tape.x.extent(1);
    Index const width = tape.x.extent(2);
    typename TrainedBlock<Exec, T>::Reach const reach{.input = !d_tokens.empty() || learned_token_.learns, .prefix = false};
    auto const d_out = scratch.template lease<S>(Shape<3>{batch, 1, width});  // the block uses it up
    kernels::take_tokens(exec, TensorView<S const, 3>(d_features.data(), d_out.view().shape()), 0, d_out.view());
    auto const d_in = scratch.template lease<S>(Shape<3>{reach.input ? batch : 0, length, width});
    BlockGradientsStorage<T, Memory> const storage(scratch, block_.tape_extents(batch, length), block_.shares_out(), block_.shares_projected());
    auto const d = storage.views(d_out.view());
    in_parts(exec, batch, length, [&](Exec const& own, Index first, Index count) {
      auto const in = reach.input ? d_in.view().slice(first, count) : TensorView<S, 3>();
      block_.backward(own, {}, tape.part(first, count), {}, reach, d_out.view().slice(first, count), in, d.part(first, count), {}, scratch);
    });
    block_.accumulate(exec, tape, {}, d, gradients, scratch, how);
    if (learned_token_.learns) { how.add_column_sums(exec, RowsView<S>(d_in.data(), batch, width, length * width), learned_token_.vector(gradients)); }
    if (!d_tokens.empty()) { kernels::remove_tokens(exec, TensorView<S const, 3>(d_in.view()), 0, d_tokens); }
  }

 private:
  struct Tape {
    typename Scratch::template Lease<S, 3> x;
    BlockTapeStorage<T, Memory> storage;
  };

  static BlockForm form(Index width, Index heads) {
    BlockForm form;
    form.width = width;
    form.heads = heads;
    form.hidden = ClassAttentionForm::hidden(width);
    form.pooled_rows = 1;
    form.epsilon = ClassAttentionForm::epsilon;
    form.activation = ClassAttentionForm::activation;
    return form;
  }

  void upload_token(Exec const& exec, VectorView<S const> values) { kernels::upload(exec, learned_token_.vector(values).template reshaped<3>(token_.shape()), token_.view()); }

  template <class Use>
  static void in_parts(Exec const& exec, Index batch, Index tokens, Use const& use) {
    kernels::for_parts(exec, batch, kernels::sequences_at_once(tokens), use);
  }

  LearnedPart learned_token_;
  Tensor<S, 3, Memory> token_;  // [1, 1, D]
  TrainedBlock<Exec, T> block_;
  std::optional<Tape> tape_;
};

}  // namespace accrete::nn
