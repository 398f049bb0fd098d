#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/backbone/packed_vit.hpp>
#include <accrete/backbone/prefix_rows.hpp>
#include <accrete/kernels/gather.hpp>
#include <accrete/kernels/parts.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>

#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace accrete {

/// One use of a packed vision transformer: the steps between images, tokens and features.
/// A batch goes through in parts that fit the processor's caches; in the plain pass each part runs through the whole network alone, with a hook all parts meet after each block.
template <class Exec>
class VitPass {
 public:
  using Memory = typename Exec::Memory;
  /// Blocks behind the last one that make a feature each, side by side, in place of norm and pool.
  using Tails = std::span<std::shared_ptr<nn::ClassAttention<Exec> const> const>;

  /// All must outlive this object.
  VitPass(Exec const& exec, PackedVit<Exec> const& model, VitShape const& shape, Tails tails = {}) : exec_(exec), model_(model), shape_(shape), tails_(tails) {}

  /// @param[in] images [B, channels, H, W];  @param[out] tokens [B, T, D]
  void embed(TensorView<float const, 4> images, TensorView<float, 3> tokens) const {
    in_parts(tokens.extent(0), tokens.extent(1), [&](VitPass const& part, Index first, Index count) { part.embed_part(images.slice(first, count), tokens.slice(first, count)); });
  }

  /// The plain pass; of the last block, and of the final norm, only what the feature is made of.
  /// @param[in] tokens [B, T, D];  @param[out] features [B, D]
  void query(TensorView<float const, 3> tokens, MatrixView<float> features) const {
    in_parts(tokens.extent(0), tokens.extent(1), [&](VitPass const& part, Index first, Index count) {
      auto const stream = model_.scratch.template lease<float>(Shape<3>{count, tokens.extent(1), tokens.extent(2)});
      part.copy(tokens.slice(first, count), stream.view());
      part.query_part(stream.view(), features.slice(first, count));
    });
  }

  /// `embed` and `query` with no more tokens in memory than the parts that are under way.
  /// @param[in] images [B, channels, H, W];  @param[out] features [B, D]
  void features(TensorView<float const, 4> images, MatrixView<float> features) const {
    in_parts(images.extent(0), shape_.tokens(), [&](VitPass const& part, Index first, Index count) {
      auto const stream = model_.scratch.template lease<float>(Shape<3>{count, shape_.tokens(), shape_.width});
      part.embed_part(images.slice(first, count), stream.view());
      part.query_part(stream.view(), features.slice(first, count));
    });
  }

  /// What a bent pass begins with: the tokens in front of block `first`, which runs after them through the plain network as well where queries are asked for.
  /// @param[in] images [B, channels, H, W];  @param[out] tokens [B, T, D];  @param[out] queries [B, D], or empty
  void front(TensorView<float const, 4> images, Index first, TensorView<float, 3> tokens, MatrixView<float> queries) const {
    in_parts(tokens.extent(0), tokens.extent(1), [&](VitPass const& part, Index from, Index count) {
      auto const own = tokens.slice(from, count);
      part.embed_part(images.slice(from, count), own);
      part.run_plain(own, 0, first);
      if (queries.empty()) { return; }
      auto const stream = model_.scratch.template lease<float>(own.shape());
      part.copy(TensorView<float const, 3>(own), stream.view());
      part.run_plain(stream.view(), first, shape_.depth);
      part.read(stream.view(), shape_.pooled_rows(), queries.slice(from, count));
    });
  }

  /// @param[in] tokens [B, T, D];  @returns [B, T', D]
  template <class Hook>
  [[nodiscard]] Tensor<float, 3, Memory> forward(TensorView<float const, 3> tokens, Hook& hook) const {
    return exec_.precision == Precision::float32 ? run_hooked<float>(tokens, hook) : run_hooked<bfloat16>(tokens, hook);
  }

  /// The features of a hooked pass; of the last block, and of the final norm, only what they are made of. Rows that were put in are pooled only where the hook says so.
  /// @param[in] tokens [B, T, D] in front of block `first`, as `front` gives them;  @param[out] features [B, D]
  template <class Hook>
  void features_hooked(TensorView<float const, 3> tokens, Hook& hook, MatrixView<float> features, Index first = 0) const {
    Index const pooled = detail::rows_read(hook, tails_.empty() ? shape_.pooled_rows() : 0);
    if (!tails_.empty() && pooled > 0) { fail<ValueError>("Vit::features", "class attention reads all rows, so that no feature can be made of ", pooled, " alone"); }
    auto const use = [&](TensorView<float, 3> stream, TokenInjection const& inserted) {
      if (!tails_.empty()) { return read_tails(stream, features); }
      if (pooled > 0 || inserted.rows.extent(1) == 0) { return read(stream, pooled, features); }
      auto const shorter = model_.scratch.template lease<float>(Shape<3>{stream.extent(0), stream.extent(1) - inserted.rows.extent(1), stream.extent(2)});
      kernels::remove_tokens(exec_, TensorView<float const, 3>(stream), inserted.at, shorter.view());
      read(shorter.view(), pooled, features);
    };
    if (exec_.precision == Precision::float32) {
      run_blocks<float>(tokens, hook, first, pooled, use);
    } else {
      run_blocks<bfloat16>(tokens, hook, first, pooled, use);
    }
  }

  /// @param[in] tokens [B, T, D] as `forward` returns them;  @param[out] features [B, D]
  void pool(TensorView<float const, 3> tokens, Index first_patch, MatrixView<float> features) const {
    if (!tails_.empty()) { return read_tails(tokens, features); }
    if (shape_.pool == Pool::average) {
      read_average(tokens, first_patch, features);
      return;
    }
    auto const rows = model_.scratch.template lease<float>(Shape<3>{tokens.extent(0), shape_.pooled_rows(), shape_.width});
    copy_first_rows(tokens, rows.view());
    kernels::mean_tokens(exec_, rows.view(), 0, features);
  }

 private:
  [[nodiscard]] static RowsView<float> all_rows(TensorView<float, 3> tokens) { return {tokens.data(), tokens.extent(0) * tokens.extent(1), tokens.extent(2), tokens.extent(2)}; }

  /// One row of every sequence.
  [[nodiscard]] static RowsView<float> one_row(TensorView<float, 3> tokens, Index row) {
    return {tokens.data() + row * tokens.extent(2), tokens.extent(0), tokens.extent(2), tokens.extent(1) * tokens.extent(2)};
  }

  /// Calls `use(pass, first, count)` for the parts of a batch, each with a pass of its own. The weights of a wide network do not stay near the processor from
  /// part to part, so that its parts are larger.
  template <class Use>
  void in_parts(Index batch, Index tokens, Use const& use) const {
    kernels::for_parts(exec_, batch, kernels::sequences_at_once(tokens, shape_.width < 512 ? 256 : 512),
                       [&](Exec const& exec, Index first, Index count) { use(VitPass(exec, model_, shape_, tails_), first, count); });
  }

  /// A copy is an insertion of nothing.
  void copy(TensorView<float const, 3> from, TensorView<float, 3> to) const { kernels::insert_tokens(exec_, from, TensorView<float const, 3>(nullptr, {1, 0, from.extent(2)}), 0, to); }

  void embed_part(TensorView<float const, 4> images, TensorView<float, 3> tokens) const {
    if (exec_.precision == Precision::float32) {
      model_.embedding.template forward<float>(exec_, images, tokens, model_.scratch);
    } else {
      model_.embedding.template forward<bfloat16>(exec_, images, tokens, model_.scratch);
    }
    if (shape_.pre_norm) { model_.norm_pre.forward(exec_, all_rows(tokens), all_rows(tokens)); }
  }

  void query_part(TensorView<float, 3> stream, MatrixView<float> features) const {
    run_plain(stream, 0, shape_.depth);
    read(stream, shape_.pooled_rows(), features);
  }

  /// The feature out of what the last block gives; norms in place.
  /// @param[in] pooled  how many of the first rows it is made of; 0: of the patches
  void read(TensorView<float, 3> stream, Index pooled, MatrixView<float> features) const {
    if (!tails_.empty()) {
      read_tails(stream, features);
    } else if (pooled == 0) {
      if (!shape_.fc_norm) { model_.norm.forward(exec_, all_rows(stream), all_rows(stream)); }
      read_average(stream, shape_.prefix_tokens(), features);
    } else if (pooled == 1) {
      model_.norm.forward(exec_, one_row(stream, 0), RowsView<float>(features));
    } else {
      auto const rows = model_.scratch.template lease<float>(Shape<3>{stream.extent(0), pooled, shape_.width});
      for (Index row = 0; row < pooled; ++row) { model_.norm.forward(exec_, one_row(stream, row), one_row(rows.view(), row)); }
      kernels::mean_tokens(exec_, rows.view(), 0, features);
    }
  }

  /// The features that the tails make of all rows, side by side.
  /// @param[out] features [B, tails * D]
  void read_tails(TensorView<float const, 3> stream, MatrixView<float> features) const {
    if (exec_.precision == Precision::float32) {
      read_tails_in<float>(stream, features);
    } else {
      read_tails_in<bfloat16>(stream, features);
    }
  }

  template <class T>
  void read_tails_in(TensorView<float const, 3> stream, MatrixView<float> features) const {
    in_parts(stream.extent(0), stream.extent(1) + 1, [&](VitPass const& part, Index first, Index count) {
      auto const longer = model_.scratch.template lease<float>(Shape<3>{count, stream.extent(1) + 1, stream.extent(2)});
      kernels::insert_tokens(part.exec_, stream.slice(first, count), tails_.front()->token(), 0, longer.view());  // every tail puts its own there
      auto const normed = model_.scratch.template lease<T>(longer.view().shape());
      tails_.front()->template norm<T>(part.exec_, longer.view(), normed.view());  // which all share but for their token
      auto const side_by_side = features.slice(first, count).template reshaped<3>({count, static_cast<Index>(tails_.size()), stream.extent(2)});
      for (std::size_t t = 0; t < tails_.size(); ++t) { tails_[t]->template forward<T>(part.exec_, normed.view(), static_cast<Index>(t), side_by_side, model_.scratch); }
    });
  }

  /// Blocks [first, last) of the plain network; of the last one of all only the rows that are pooled.
  void run_plain(TensorView<float, 3> stream, Index first, Index last) const {
    if (exec_.precision == Precision::float32) {
      run_plain_in<float>(stream, first, last);
    } else {
      run_plain_in<bfloat16>(stream, first, last);
    }
  }

  template <class T>
  void run_plain_in(TensorView<float, 3> stream, Index first, Index last) const {
    for (Index i = first; i < last; ++i) {
      auto const& block = model_.blocks[static_cast<std::size_t>(i)];
      if (i + 1 == shape_.depth && shape_.pooled_rows() > 0 && tails_.empty()) {
        block.template forward_rows<T>(exec_, shape_.pooled_rows(), stream, model_.scratch);
      } else {
        block.template forward<T>(exec_, {}, stream, model_.scratch);
      }
    }
  }

  template <class T, class Hook>
  [[nodiscard]] Tensor<float, 3, Memory> run_hooked(TensorView<float const, 3> tokens, Hook& hook) const {
    Tensor<float, 3, Memory> result;
    run_blocks<T>(tokens, hook, 0, 0, [&](TensorView<float, 3> stream, TokenInjection const& /*inserted*/) {
      result = Tensor<float, 3, Memory>(stream.shape());
      if (shape_.fc_norm || !tails_.empty()) {
        copy(stream, result.view());
      } else {
        model_.norm.forward(exec_, all_rows(stream), all_rows(result.view()));
      }
    });
    return result;
  }

  /// The blocks from `first` on with what the hook injects; `use` gets the stream behind the last one and what was inserted into it.
  /// @param pooled  how many of the first rows are all that is needed of the last block; 0: all are
  template <class T, class Hook, class Use>
  void run_blocks(TensorView<float const, 3> tokens, Hook& hook, Index first, Index pooled, Use const& use) const {
    using Lease = decltype(model_.scratch.template lease<float>(Shape<3>{}));
    std::optional<Lease> owned;
    TokenInjection inserted;
    for (Index i = first; i < shape_.depth; ++i) {
      auto const hidden = owned ? TensorView<float const, 3>(owned->view()) : tokens;
      TokenInjection const injected = detail::tokens_of(hook, i, hidden);
      Index const length = injected.rows.extent(1);
      bool const inserts = length > 0 && injected.how == TokenInjection::How::insert;
      bool const removes = length > 0 && injected.how == TokenInjection::How::remove;
      if (inserts || removes || !owned) {
        auto next = model_.scratch.template lease<float>(Shape<3>{hidden.extent(0), hidden.extent(1) + (inserts ? length : removes ? -length : 0), hidden.extent(2)});
        if (inserts) {
          kernels::insert_tokens(exec_, hidden, injected.rows, injected.at, next.view());
          inserted = injected;
        } else if (removes) {
          kernels::remove_tokens(exec_, hidden, injected.at, next.view());
          inserted = {};
        } else {
          copy(hidden, next.view());
        }
        owned.emplace(std::move(next));
      }
      if (length > 0 && injected.how == TokenInjection::How::overwrite) { kernels::overwrite_tokens(exec_, injected.rows, injected.at, owned->view()); }
      PrefixInjection const prefix = detail::prefix_of(hook, i);
      if (pooled > 0 && shape_.pooled_rows() > 0 && i + 1 == shape_.depth && prefix.k.extent(1) == 0) {
        run_last_rows<T>(owned->view(), pooled);
      } else {
        run_block<T>(i, prefix, owned->view());
      }
      if constexpr (ObservesBlocks<Hook>) { hook.observe(i, TensorView<float const, 3>(owned->view())); }
    }
    use(owned->view(), inserted);
  }

  template <class T>
  void run_last_rows(TensorView<float, 3> stream, Index pooled) const {
    in_parts(stream.extent(0), stream.extent(1),
             [&](VitPass const& part, Index first, Index count) { model_.blocks.back().template forward_rows<T>(part.exec_, pooled, stream.slice(first, count), model_.scratch); });
  }

  template <class T>
  void run_block(Index i, PrefixInjection const& prefix, TensorView<float, 3> stream) const {
    auto const& block = model_.blocks[static_cast<std::size_t>(i)];
    auto const run = [&](detail::PrefixRows<T> const& converted) {
      in_parts(stream.extent(0), stream.extent(1),
               [&](VitPass const& part, Index first, Index count) { block.template forward<T>(part.exec_, converted.of(first, count), stream.slice(first, count), model_.scratch); });
    };
    if (prefix.k.extent(1) == 0) {
      run({});
      return;
    }
    expects(prefix.k.shape() == prefix.v.shape() && (prefix.k.extent(0) == 1 || prefix.k.extent(0) == stream.extent(0)) && prefix.k.extent(2) == shape_.width, "Vit::forward",
            message("prefix keys and values of block ", i, " must be [1 or ", stream.extent(0), ", P, ", shape_.width, "]"), prefix.k.extent(0), prefix.k.extent(1), prefix.k.extent(2),
            prefix.v.extent(0), prefix.v.extent(1), prefix.v.extent(2));
    if constexpr (std::is_same_v<T, float>) {
      run({prefix.k, prefix.v, prefix.compensated});
    } else {
      auto const k = model_.scratch.template lease<T>(prefix.k.shape());
      auto const v = model_.scratch.template lease<T>(prefix.v.shape());
      auto const convert = [&](TensorView<float const, 3> from, TensorView<T, 3> to) { kernels::convert(exec_, from.template reshaped<1>({from.size()}), to.template reshaped<1>({to.size()})); };
      convert(prefix.k, k.view());
      convert(prefix.v, v.view());
      run({k.view(), v.view(), prefix.compensated});
    }
  }

  void read_average(TensorView<float const, 3> tokens, Index first_patch, MatrixView<float> features) const {
    kernels::mean_tokens(exec_, tokens, first_patch, features);
    if (shape_.fc_norm) { model_.norm.forward(exec_, RowsView<float>(features), RowsView<float>(features)); }
  }

  /// The first rows of every sequence.
  void copy_first_rows(TensorView<float const, 3> from, TensorView<float, 3> to) const {
    auto const index = model_.scratch.template lease<Index>(Shape<1>{to.extent(0) * to.extent(1)});
    Vector<Index> rows({to.extent(0) * to.extent(1)});
    for (Index i = 0; i < rows.size(); ++i) { rows(i) = i / to.extent(1) * from.extent(1) + i % to.extent(1); }
    kernels::upload(exec_, rows.cview(), index.view());
    kernels::gather(exec_, from.reshaped<2>({from.extent(0) * from.extent(1), from.extent(2)}), TensorView<Index const, 1>(index.view()), to.reshaped<2>({rows.size(), to.extent(2)}));
    exec_.wait();  // `rows` must live until it is uploaded
  }

  Exec const& exec_;
  PackedVit<Exec> const& model_;
  VitShape const& shape_;
  Tails tails_;
};

}  // namespace accrete
