#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/activation.hpp>
#include <accrete/kernels/attention.hpp>
#include <accrete/kernels/elementwise.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/block.hpp>
#include <accrete/nn/compensated_attention.hpp>
#include <accrete/nn/summation.hpp>
#include <accrete/nn/trained_block_rows.hpp>
#include <accrete/nn/trained_bottleneck.hpp>
#include <accrete/nn/trained_linear.hpp>
#include <accrete/nn/trained_norm.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace accrete::nn {

/// What one block is made of.
struct BlockForm {
  Index width = 0;
  Index heads = 1;
  Index hidden = 0;
  Index pooled_rows = 0;  ///< of the last block: how many first rows of a sequence are computed; 0: all
  bool layer_scale = false;
  double epsilon = 1e-6;
  kernels::Activation activation = kernels::Activation::gelu;
  BottleneckForm bottleneck = {};
  double low_rank_scale = 1;
};

/// One pre-norm transformer block inside of a network that learns, forward with what the way back needs, and backward:
///   X1 = X  + attention(norm1(X)) [+ bottleneck(norm1(X))]
///   X2 = X1 + mlp(norm2(X1)) [+ bottleneck(X1)]        or   m = mlp(norm2(X1));  X2 = X1 + m + bottleneck(m)
/// Activation gradients only where a layer stands still; none below the lowest thing that learns. Both ways work on any part of a batch; what a sequence
/// gives does not depend on the others. Parameter gradients are added for the whole batch at once, so that they do not depend on the parts.
/// @source the gradients follow from the definitions; softmax by the row sums <dO, O> (Dao et al., arXiv:2205.14135, Eq. 4)
template <class Exec, class T>
class TrainedBlock {
 public:
  using S = SumScalar<T>;
  using Scratch = ScratchPool<typename Exec::Memory>;
  using Tape = BlockTape<T>;
  using Gradients = BlockGradients<T>;

  /// @param name   canonical, such as `blocks.0`
  /// @param ready  the same block packed for the plain pass, or null: what stands still shares its weights
  TrainedBlock(Exec const& exec, LayerParameters<S> const& parameters, std::string const& name, BlockForm const& form, Block<Exec> const* ready = nullptr) : form_(form) {
    Index const width = form.width;
    auto const weights_of = [&](auto const& layer) { return ready == nullptr ? nullptr : &layer().weights(); };
    auto const linear = [&](std::string const& layer, Index outputs, Index inputs, typename Exec::PackedWeights const* packed, std::string const& gain = {}) {
      return TrainedLinear<Exec, T>(exec, parameters, {name + layer, outputs, inputs, 0, outputs, gain, form.low_rank_scale}, packed);
    };
    bool const same_cut = ready != nullptr && ready->attention().apart() == few_rows();
    auto const* const query = same_cut ? &ready->attention().first().weights() : nullptr;
    auto const* const key_value = same_cut && few_rows() ? &ready->attention().second().weights() : nullptr;
    auto const gain = [&](char const* which) { return form.layer_scale ? name + which : std::string(); };
    norm1_ = TrainedNorm<Exec, T>(exec, parameters, name + ".norm1", form.epsilon);
    norm2_ = TrainedNorm<Exec, T>(exec, parameters, name + ".norm2", form.epsilon);
    if (few_rows()) {
      query_ = TrainedLinear<Exec, T>(exec, parameters, {name + ".attn.qkv", 3 * width, width, 0, width, {}, form.low_rank_scale}, query);
      key_value_ = TrainedLinear<Exec, T>(exec, parameters, {name + ".attn.qkv", 3 * width, width, width, 2 * width, {}, form.low_rank_scale}, key_value);
    } else {
      query_ = linear(".attn.qkv", 3 * width, width, query);
    }
    projection_ = linear(".attn.proj", width, width, weights_of([&]() -> auto const& { return ready->attention().projection(); }), gain(".ls1.gamma"));
    first_ = linear(".mlp.fc1", form.hidden, width, weights_of([&]() -> auto const& { return ready->mlp().first(); }));
    second_ = linear(".mlp.fc2", width, form.hidden, weights_of([&]() -> auto const& { return ready->mlp().second(); }), gain(".ls2.gamma"));
    if (parameters.learned(name + ".adapter.down.weight")) { bottleneck_.emplace(exec, parameters, name + ".adapter", form.bottleneck); }
    if (parameters.learned(name + ".attn.adapter.down.weight")) { beside_.emplace(exec, parameters, name + ".attn.adapter", form.bottleneck); }
    if (sequential()) {
      Vector<S> ones({width});
      std::fill(ones.begin(), ones.end(), S{1});
      ones_ = Vector<S, typename Exec::Memory>(ones.shape());
      kernels::upload(exec, ones.cview(), ones_.view());
      exec.wait();  // `ones` must live until it is uploaded
    }
  }

  void refresh(Exec const& exec, VectorView<S const> values) {
    norm1_.refresh(exec, values);
    norm2_.refresh(exec, values);
    query_.refresh(exec, values);
    if (few_rows()) { key_value_.refresh(exec, values); }
    projection_.refresh(exec, values);
    first_.refresh(exec, values);
    second_.refresh(exec, values);
    if (bottleneck_) { bottleneck_->refresh(exec, values); }
    if (beside_) { beside_->refresh(exec, values); }
  }

  /// Tells which parts of the gradient `accumulate` writes where it is fresh.
  void tell_written(std::vector<LearnedPart>& written) const {
    for (auto const* const layer : {&query_, &key_value_, &projection_, &first_, &second_}) { layer->tell_written(written); }
  }

  /// Whether anything in here learns.
  [[nodiscard]] bool learns() const { return learns_in_attention() || learns_in_mlp(); }
  [[nodiscard]] bool few_rows() const { return form_.pooled_rows > 0; }
  /// Rows of a sequence behind the block.
  [[nodiscard]] Index rows_of(Index tokens) const { return few_rows() ? form_.pooled_rows : tokens; }

  /// Whether `Gradients::out` and `Gradients::projected` may be the stream's gradient itself, because it is the same scalar and nothing needs it afterwards.
  [[nodiscard]] bool shares_out() const { return std::is_same_v<S, T> && !second_.learns() && !bottleneck_; }
  [[nodiscard]] bool shares_projected() const { return std::is_same_v<S, T> && !projection_.learns() && !beside_; }

  /// Extents of the tape of a batch.
  [[nodiscard]] TapeExtents tape_extents(Index batch, Index tokens) const {
    Index const rows = rows_of(tokens);
    return {.batch = batch,
            .tokens = tokens,
            .rows = rows,
            .width = form_.width,
            .heads = form_.heads,
            .hidden = form_.hidden,
            .few_rows = few_rows(),
            .keeps_projected = projection_.keeps_raw(),
            .keeps_expanded = second_.keeps_raw(),
            .middle = bottleneck_ ? bottleneck_->middle() : 0,
            .keeps_mlp = sequential(),
            .attention_middle = beside_ ? beside_->middle() : 0};
  }

  /// @param[in]  prefix  keys and values in front of every sequence's own
  /// @param      tape    `tape.x` [B, N, D] is the input; everything else is written
  /// @param[out] out     [B, rows_of(N), D]
  void forward(Exec const& exec, kernels::KeyValuePrefix<T> const& prefix, Tape const& tape, DropoutDraw const& draw, TensorView<S, 3> out, Scratch const& scratch) const {
    Index const batch = tape.x.extent(0);
    copy_rows(exec, tape.x, tape.middle);
    {
      auto const normed = scratch.template lease<T>(Shape<2>{all_rows(tape.x).rows, form_.width});
      norm1_.forward(exec, all_rows(tape.x), RowsView<T>(normed.view()));
      project(exec, normed.view(), batch, tape, scratch);
      if (beside_) { forward_beside(exec, normed.view(), tape, draw, scratch); }
    }
    with_projected(exec, tape, scratch, [&](Projected const& p) {
      if (prefix.compensated) { return compensated(exec, p, batch, prefix, scratch).forward(RowsView<T>(tape.heads), tape.log_sums); }
      kernels::attention_with_log_sums(exec, RowsView<T const>(p.q), p.k, p.v, shape(batch), prefix, RowsView<T>(tape.heads), tape.log_sums);
    });
    projection_.forward(exec, RowsView<T>(tape.heads), RowsView<T>(tape.projected), all_rows(tape.middle), true, scratch);

    copy_rows(exec, tape.middle, out);
    auto const units = scratch.template lease<T>(tape.hidden.shape());
    {
      auto const normed = scratch.template lease<T>(tape.heads.shape());
      norm2_.forward(exec, all_rows(tape.middle), RowsView<T>(normed.view()));
      RowsView<T> const u = first_.keeps_raw() ? RowsView<T>(units.view()) : RowsView<T>(tape.hidden);
      first_.forward(exec, RowsView<T>(normed.view()), RowsView<T>(tape.hidden), u, false, scratch);
      kernels::activate(exec, form_.activation, RowsView<T const>(u), RowsView<T>(units.view()));
    }
    RowsView<T> const g(units.view());
    if (sequential()) {
      second_.forward(exec, g, RowsView<T>(tape.expanded), RowsView<T>(tape.mlp), false, scratch);
      kernels::scale_columns(exec, RowsView<T const>(tape.mlp), ones_.view(), VectorView<S const>(), all_rows(out), true);
      bottleneck_->forward(exec, RowsView<T>(tape.mlp), tape.bottleneck, batch, draw, all_rows(out), scratch);
    } else {
      second_.forward(exec, g, RowsView<T>(tape.expanded), all_rows(out), true, scratch);
      if (bottleneck_) {
        with_scalar(exec, tape.middle, scratch, [&](RowsView<T> x) { bottleneck_->forward(exec, x, tape.bottleneck, batch, draw, all_rows(out), scratch); });
      }
    }
  }

  /// How far down the gradient must go inside this block.
  struct Reach {
    bool input = false;   ///< something below the block needs it
    bool prefix = false;  ///< the prefix's gradient is wanted
  };

  /// @param[in,out] d_out  [B, rows_of(N), D] the gradient of the output; used up
  /// @param[out]    d_in   [B, N, D] the gradient of the input, where `reach.input`; may be `d_out` itself where all rows are computed
  /// @param[out]    d      gradients between the layers, for `accumulate`
  /// @param[in,out] d_prefix  per sequence; +=
  void backward(Exec const& exec, kernels::KeyValuePrefix<T> const& prefix, Tape const& tape, DropoutDraw const& draw, Reach reach, TensorView<S, 3> d_out, TensorView<S, 3> d_in, Gradients const& d,
                kernels::KeyValueGradient<S> const& d_prefix, Scratch const& scratch) const {
    bool const at_keys = reach.input || reach.prefix || norm1_.learns() || query_.learns() || (few_rows() && key_value_.learns());
    bool const at_middle = at_keys || projection_.learns() || (beside_ && beside_->learns());
    backward_mlp(exec, tape, draw, at_middle, d_out, d, scratch);
    if (!at_middle) { return; }
    to_scalar(exec, d_out, d.projected);
    Index const batch = tape.x.extent(0);
    bool const at_norm = reach.input || norm1_.learns();
    if (!at_keys) { return backward_beside(exec, tape, draw, at_norm, d); }
    bool const below_keys = reach.input || norm1_.learns() || query_.learns() || (few_rows() && key_value_.learns());
    auto const d_heads = scratch.template lease<T>(tape.heads.shape());
    projection_.backward(exec, RowsView<T>(d.projected), RowsView<T>(d_heads.view()), false, scratch);
    with_projected(exec, tape, scratch, [&](Projected const& p) {
      Projected const dp = projected(d.qkv, d.key_value);
      RowsView<T> const none;
      auto const wanted = [&](RowsView<T> rows) { return below_keys ? rows : none; };
      RowsView<T const> const dy(RowsView<T>(d_heads.view()));
      if (prefix.compensated) { return compensated(exec, p, batch, prefix, scratch).backward(tape.log_sums, dy, wanted(dp.q), wanted(dp.k), wanted(dp.v), d_prefix); }
      kernels::attention_backward(exec, RowsView<T const>(p.q), p.k, p.v, shape(batch), prefix, RowsView<T const>(tape.heads), tape.log_sums, dy, wanted(dp.q), wanted(dp.k), wanted(dp.v), d_prefix);
    });
    if (at_norm) { backward_projected(exec, d, batch, scratch); }
    backward_beside(exec, tape, draw, at_norm, d);
    if (!reach.input) { return; }
    if (few_rows()) {
      kernels::fill(exec, flat(d_in), S{0});
      kernels::overwrite_tokens(exec, TensorView<S const, 3>(d_out), 0, d_in);
    }
    norm1_.backward(exec, all_rows(tape.x), RowsView<T>(d.norm1), all_rows(d_in));
  }

  /// Adds the gradients of everything that learns here, or the squares of the samples' own.
  void accumulate(Exec const& exec, Tape const& tape, DropoutDraw const& draw, Gradients const& d, VectorView<S> gradients, Scratch const& scratch, Summation how = {}) const {
    if (learns_in_attention()) { accumulate_attention(exec, tape, draw, d, gradients, scratch, how); }
    if (learns_in_mlp()) { accumulate_mlp(exec, tape, draw, d, gradients, scratch, how); }
  }

 private:
  struct Projected {
    RowsView<T> q, k, v;
  };

  [[nodiscard]] bool learns_in_attention() const { return norm1_.learns() || query_.learns() || (few_rows() && key_value_.learns()) || projection_.learns() || (beside_ && beside_->learns()); }
  [[nodiscard]] bool learns_in_mlp() const { return norm2_.learns() || first_.learns() || second_.learns() || (bottleneck_ && bottleneck_->learns()); }
  [[nodiscard]] bool sequential() const { return bottleneck_ && form_.bottleneck.place == BottleneckPlace::sequential; }
  [[nodiscard]] kernels::AttentionShape shape(Index batch) const { return {.batch = batch, .heads = form_.heads}; }
  [[nodiscard]] CompensatedAttention<Exec, T> compensated(Exec const& exec, Projected const& p, Index batch, kernels::KeyValuePrefix<T> const& prefix, Scratch const& scratch) const {
    return {exec, p.q, p.k, p.v, shape(batch), prefix, scratch};
  }

  [[nodiscard]] static RowsView<S> all_rows(TensorView<S, 3> x) { return {x.data(), x.extent(0) * x.extent(1), x.extent(2), x.extent(2)}; }
  [[nodiscard]] static VectorView<S> flat(TensorView<S, 3> x) { return {x.data(), {x.size()}}; }

  /// Row `row` of every sequence of `each` rows.
  [[nodiscard]] static RowsView<T> one_row(MatrixView<T> rows, Index batch, Index row) {
    Index const width = rows.extent(1);
    return {rows.data() + row * width, batch, width, rows.extent(0) / batch * width};
  }

  /// Calls use(first, count) for sequences whose first rows lie evenly: all of a batch, or one after the other where several rows of each are pooled.
  template <class Use>
  void for_even_rows(Index batch, Use const& use) const {
    if (form_.pooled_rows <= 1) { return use(Index{0}, batch); }
    for (Index sequence = 0; sequence < batch; ++sequence) { use(sequence, Index{1}); }
  }
  /// The rows of sequences [first, first + count) that are computed, out of `each` rows of every sequence.
  template <class X>
  [[nodiscard]] RowsView<X> even_rows(X* data, Index each, Index first, Index count) const {
    Index const width = form_.width;
    X* const begin = data + first * each * width;
    return form_.pooled_rows == 1 ? RowsView<X>(begin, count, width, each * width) : RowsView<X>(begin, count * rows_of(each), width, width);
  }
  [[nodiscard]] static DropoutDraw draw_from(DropoutDraw draw, Index first) {
    draw.first += first;
    return draw;
  }

  /// middle += what the bottleneck beside attention makes of the normed rows.
  void forward_beside(Exec const& exec, MatrixView<T> normed, Tape const& tape, DropoutDraw const& draw, Scratch const& scratch) const {
    Index const batch = tape.x.extent(0);
    for_even_rows(batch, [&](Index first, Index count) {
      RowsView<S> const y = even_rows(tape.middle.data(), tape.middle.extent(1), first, count);
      beside_->forward(exec, even_rows(normed.data(), tape.x.extent(1), first, count), detail::of_sequences(tape.beside, batch, first, count), count, draw_from(draw, first), y, scratch);
    });
  }

  /// Adds what comes back through it to the gradient of what norm1 gives, where `at_norm`.
  void backward_beside(Exec const& exec, Tape const& tape, DropoutDraw const& draw, bool at_norm, Gradients const& d) const {
    if (!beside_) { return; }
    Index const batch = tape.x.extent(0);
    for_even_rows(batch, [&](Index first, Index count) {
      auto const units = [&](MatrixView<T> all) { return detail::of_sequences(all, batch, first, count); };
      RowsView<T> const dx = at_norm ? even_rows(d.norm1.data(), tape.x.extent(1), first, count) : RowsView<T>();
      beside_->backward(exec, even_rows(d.projected.data(), tape.middle.extent(1), first, count), units(tape.beside), count, draw_from(draw, first), units(d.beside), dx);
    });
  }

  void accumulate_beside(Exec const& exec, MatrixView<T> normed, Tape const& tape, DropoutDraw const& draw, Gradients const& d, VectorView<S> gradients, Scratch const& scratch, Summation how) const {
    Index const batch = tape.x.extent(0);
    for_even_rows(batch, [&](Index first, Index count) {
      auto const units = [&](MatrixView<T> all) { return detail::of_sequences(all, batch, first, count); };
      beside_->accumulate(exec, even_rows(normed.data(), tape.x.extent(1), first, count), even_rows(d.projected.data(), tape.middle.extent(1), first, count), units(tape.beside), count,
                          draw_from(draw, first), units(d.beside), gradients, scratch, Summation{how.squares() ? count : 0});
    });
  }

  /// The first rows of every sequence.
  static void copy_rows(Exec const& exec, TensorView<S, 3> from, TensorView<S, 3> to) { kernels::take_tokens(exec, TensorView<S const, 3>(from), 0, to); }

  static void to_scalar(Exec const& exec, TensorView<S, 3> from, MatrixView<T> to) {
    if (static_cast<void const*>(from.data()) == static_cast<void const*>(to.data())) { return; }
    if constexpr (std::is_same_v<S, T>) {
      kernels::take_tokens(exec, TensorView<S const, 3>(from), 0, TensorView<S, 3>(to.data(), from.shape()));
    } else {
      kernels::convert(exec, VectorView<S const>(flat(from)), VectorView<T>(to.data(), {to.size()}));
    }
  }

  /// Gives `use` the rows of a stream in the scalar of activations.
  template <class Use>
  void with_scalar(Exec const& exec, TensorView<S, 3> x, Scratch const& scratch, Use const& use) const {
    if constexpr (std::is_same_v<S, T>) {
      use(all_rows(x));
    } else {
      auto const copy = scratch.template lease<T>(Shape<2>{x.extent(0) * x.extent(1), x.extent(2)});
      to_scalar(exec, x, copy.view());
      use(RowsView<T>(copy.view()));
    }
  }

  [[nodiscard]] Projected projected(MatrixView<T> qkv, MatrixView<T> key_value) const {
    Index const width = form_.width;
    if (few_rows()) { return {RowsView<T>(qkv), columns(key_value, 0, width), columns(key_value, width, width)}; }
    return {columns(qkv, 0, width), columns(qkv, width, width), columns(qkv, 2 * width, width)};
  }

  /// Keys, values and queries of the normed rows, onto the tape.
  void project(Exec const& exec, MatrixView<T> normed, Index batch, Tape const& tape, Scratch const& scratch) const {
    // What is kept is what the layer gives before scale and shift; `with_projected` bends it.
    auto const run = [&](TrainedLinear<Exec, T> const& layer, RowsView<T> x, RowsView<T> to) { layer.forward_raw(exec, x, to, false, scratch); };
    if (!few_rows()) { return run(query_, RowsView<T>(normed), RowsView<T>(tape.qkv)); }
    run(key_value_, RowsView<T>(normed), RowsView<T>(tape.key_value));
    for (Index row = 0; row < form_.pooled_rows; ++row) { run(query_, one_row(normed, batch, row), one_row(tape.qkv, batch, row)); }
  }

  template <class Use>
  void with_projected(Exec const& exec, Tape const& tape, Scratch const& scratch, Use const& use) const {
    if (!query_.keeps_raw()) { return use(projected(tape.qkv, tape.key_value)); }
    auto const qkv = scratch.template lease<T>(tape.qkv.shape());
    auto const key_value = scratch.template lease<T>(tape.key_value.shape());
    query_.bend(exec, RowsView<T const>(tape.qkv), RowsView<T>(qkv.view()), false);
    if (few_rows()) { key_value_.bend(exec, RowsView<T const>(tape.key_value), RowsView<T>(key_value.view()), false); }
    use(projected(qkv.view(), key_value.view()));
  }

  /// The hidden layer before its activation.
  template <class Use>
  void with_hidden(Exec const& exec, Tape const& tape, Scratch const& scratch, Use const& use) const {
    if (!first_.keeps_raw()) { return use(RowsView<T>(tape.hidden)); }
    auto const u = scratch.template lease<T>(tape.hidden.shape());
    first_.bend(exec, RowsView<T const>(tape.hidden), RowsView<T>(u.view()), false);
    use(RowsView<T>(u.view()));
  }

  /// From the gradient of X2 in `d_out` to that of X1 in the same place, where `at_middle`.
  void backward_mlp(Exec const& exec, Tape const& tape, DropoutDraw const& draw, bool at_middle, TensorView<S, 3> d_out, Gradients const& d, Scratch const& scratch) const {
    Index const batch = tape.x.extent(0);
    bool const at_norm = at_middle || norm2_.learns();
    bool const at_hidden = at_norm || first_.learns();
    bool const at_mlp = at_hidden || second_.learns();
    to_scalar(exec, d_out, d.out);
    MatrixView<T> d_mlp = d.out;
    if (bottleneck_) {
      RowsView<S> const no_stream;
      RowsView<T> const no_rows;
      if (sequential()) {
        if (at_mlp) {
          d_mlp = d.mlp;
          kernels::scale_columns(exec, RowsView<T const>(d.out), ones_.view(), VectorView<S const>(), RowsView<T>(d.mlp), false);
        }
        bottleneck_->backward(exec, RowsView<T>(d.out), tape.bottleneck, batch, draw, d.bottleneck, at_mlp ? RowsView<T>(d.mlp) : no_rows);
      } else {
        bottleneck_->backward(exec, RowsView<T>(d.out), tape.bottleneck, batch, draw, d.bottleneck, at_middle ? all_rows(d_out) : no_stream);
      }
    }
    if (!at_hidden) { return; }
    second_.backward(exec, RowsView<T>(d_mlp), RowsView<T>(d.hidden), false, scratch);
    with_hidden(exec, tape, scratch, [&](RowsView<T> u) { kernels::activate_backward(exec, form_.activation, RowsView<T const>(u), RowsView<T>(d.hidden)); });
    if (!at_norm) { return; }
    first_.backward(exec, RowsView<T>(d.hidden), RowsView<T>(d.norm2), false, scratch);
    if (at_middle) { norm2_.backward(exec, all_rows(tape.middle), RowsView<T>(d.norm2), all_rows(d_out)); }
  }

  void backward_projected(Exec const& exec, Gradients const& d, Index batch, Scratch const& scratch) const {
    if (!few_rows()) { return query_.backward(exec, RowsView<T>(d.qkv), RowsView<T>(d.norm1), false, scratch); }
    key_value_.backward(exec, RowsView<T>(d.key_value), RowsView<T>(d.norm1), false, scratch);
    for (Index row = 0; row < form_.pooled_rows; ++row) { query_.backward(exec, one_row(d.qkv, batch, row), one_row(d.norm1, batch, row), true, scratch); }
  }

  void accumulate_attention(Exec const& exec, Tape const& tape, DropoutDraw const& draw, Gradients const& d, VectorView<S> gradients, Scratch const& scratch, Summation how) const {
    Index const batch = tape.x.extent(0);
    projection_.accumulate(exec, RowsView<T>(tape.heads), RowsView<T>(tape.projected), RowsView<T>(d.projected), gradients, scratch, how);
    if (query_.learns() || (few_rows() && key_value_.learns()) || (beside_ && beside_->learns())) {
      auto const normed = scratch.template lease<T>(Shape<2>{all_rows(tape.x).rows, form_.width});
      norm1_.forward(exec, all_rows(tape.x), RowsView<T>(normed.view()));
      if (few_rows()) {
        key_value_.accumulate(exec, RowsView<T>(normed.view()), RowsView<T>(tape.key_value), RowsView<T>(d.key_value), gradients, scratch, how);
        if (how.squares()) {
          accumulate_pooled(exec, tape, d, gradients, scratch, how);
        } else {
          for (Index row = 0; row < form_.pooled_rows; ++row) {
            query_.accumulate(exec, one_row(normed.view(), batch, row), one_row(tape.qkv, batch, row), one_row(d.qkv, batch, row), gradients, scratch, row == 0 ? how : how.continued());
          }
        }
      } else {
        query_.accumulate(exec, RowsView<T>(normed.view()), RowsView<T>(tape.qkv), RowsView<T>(d.qkv), gradients, scratch, how);
      }
      if (beside_) { accumulate_beside(exec, normed.view(), tape, draw, d, gradients, scratch, how); }
    }
    norm1_.accumulate(exec, all_rows(tape.x), RowsView<T>(d.norm1), gradients, scratch, how);
  }

  /// The queries of the few rows side by side, sample after sample.
  void accumulate_pooled(Exec const& exec, Tape const& tape, Gradients const& d, VectorView<S> gradients, Scratch const& scratch, Summation how) const {
    Index const batch = tape.x.extent(0);
    auto const normed = scratch.template lease<T>(Shape<2>{batch * form_.pooled_rows, form_.width});
    Index const step = tape.x.extent(1) * form_.width;
    for (Index row = 0; row < form_.pooled_rows; ++row) { norm1_.forward(exec, RowsView<S>(tape.x.data() + row * form_.width, batch, form_.width, step), one_row(normed.view(), batch, row)); }
    query_.accumulate(exec, RowsView<T>(normed.view()), RowsView<T>(tape.qkv), RowsView<T>(d.qkv), gradients, scratch, how);
  }

  void accumulate_mlp(Exec const& exec, Tape const& tape, DropoutDraw const& draw, Gradients const& d, VectorView<S> gradients, Scratch const& scratch, Summation how) const {
    if (second_.learns()) {
      auto const units = scratch.template lease<T>(tape.hidden.shape());
      with_hidden(exec, tape, scratch, [&](RowsView<T> u) { kernels::activate(exec, form_.activation, RowsView<T const>(u), RowsView<T>(units.view())); });
      second_.accumulate(exec, RowsView<T>(units.view()), RowsView<T>(tape.expanded), RowsView<T>(sequential() ? d.mlp : d.out), gradients, scratch, how);
    }
    if (first_.learns()) {
      auto const normed = scratch.template lease<T>(tape.heads.shape());
      norm2_.forward(exec, all_rows(tape.middle), RowsView<T>(normed.view()));
      first_.accumulate(exec, RowsView<T>(normed.view()), RowsView<T>(tape.hidden), RowsView<T>(d.hidden), gradients, scratch, how);
    }
    norm2_.accumulate(exec, all_rows(tape.middle), RowsView<T>(d.norm2), gradients, scratch, how);
    if (!bottleneck_) { return; }
    Index const batch = tape.x.extent(0);
    auto const add = [&](RowsView<T> x) { bottleneck_->accumulate(exec, x, RowsView<T>(d.out), tape.bottleneck, batch, draw, d.bottleneck, gradients, scratch, how); };
    if (sequential()) {
      add(RowsView<T>(tape.mlp));
    } else {
      with_scalar(exec, tape.middle, scratch, add);
    }
  }

  BlockForm form_;
  TrainedNorm<Exec, T> norm1_;
  TrainedNorm<Exec, T> norm2_;
  TrainedLinear<Exec, T> query_;      // q, k and v, or q alone where few rows are computed
  TrainedLinear<Exec, T> key_value_;  // k and v where few rows are computed
  TrainedLinear<Exec, T> projection_;
  TrainedLinear<Exec, T> first_;
  TrainedLinear<Exec, T> second_;
  std::optional<TrainedBottleneck<Exec, T>> bottleneck_;
  std::optional<TrainedBottleneck<Exec, T>> beside_;  // beside attention, reading what norm1 gives
  Vector<S, typename Exec::Memory> ones_;             // where a bottleneck stands behind the MLP
};

}  // namespace accrete::nn
