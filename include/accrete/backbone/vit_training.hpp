#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/backbone/packed_vit.hpp>
#include <accrete/backbone/prefix_rows.hpp>
#include <accrete/backbone/tuned_network.hpp>
#include <accrete/backbone/vit_shape.hpp>
#include <accrete/core/accumulates.hpp>
#include <accrete/kernels/parts.hpp>
#include <accrete/nn/trained_block.hpp>
#include <accrete/nn/trained_class_attention.hpp>
#include <accrete/nn/trained_embedding.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace accrete {

/// A vision transformer while it learns: forward with a tape, backward with gradients, both for one batch at a time.
/// What learns is what the store holds; the rest stands still and gets no weight gradient, and backward ends at the lowest block that needs one.
/// A batch goes through in parts, as in `VitPass`. After the first step of a size nothing is allocated any more.
/// @tparam T  scalar of activations: float, bfloat16, or double (with products in float64) for checking gradients
template <class Exec, class T>
class VitTraining {
 public:
  using S = SumScalar<T>;
  using Memory = typename Exec::Memory;
  using Parameters = nn::LayerParameters<S>;

  /// @param[in] positioned  rows in front of the patches that have a position
  /// @param[in] read_rows   how many first rows a hook has the feature made of; 0: as the network reads it
  /// @param[in] ready       the network packed for the plain pass, or null: what stands still shares its weights
  /// @throws ValueError  when the executor's precision is not that of T
  VitTraining(Exec const& exec, VitShape const& shape, Index positioned, Parameters const& parameters, TuningForm const& form, Index read_rows = 0, PackedVit<Exec> const* ready = nullptr)
      : exec_(exec), shape_(shape), pooled_rows_(read_rows > 0 ? read_rows : shape.pooled_rows()) {
    constexpr Precision wanted = std::is_same_v<T, double> ? Precision::float64 : std::is_same_v<T, float> ? Precision::float32 : Precision::bfloat16;
    if (exec.precision != wanted) { fail<ValueError>("VitTraining", "activations in ", name_of(wanted), " need an executor of that precision (came: ", name_of(exec.precision), ")"); }
    embedding_ = nn::TrainedEmbedding<Exec, T>(exec_, parameters, {shape.width, shape.channels, shape.patch, shape.patches(), shape.prefix_tokens(), positioned});
    if (shape.pre_norm) { norm_pre_ = nn::TrainedNorm<Exec, T>(exec_, parameters, "norm_pre", shape.epsilon); }
    if (Tail::is_in(parameters)) {
      if (read_rows > 0) { fail<ValueError>("VitTraining", "class attention reads all rows, so that no feature can be made of ", read_rows, " alone"); }
      tail_.emplace(exec_, parameters, shape.width, shape.heads);
      pooled_rows_ = 0;
    }
    blocks_.reserve(static_cast<std::size_t>(shape.depth));
    for (Index i = 0; i < shape.depth; ++i) {
      nn::BlockForm block{shape.width, shape.heads, shape.hidden, i + 1 == shape.depth ? pooled_rows_ : 0, shape.layer_scale, shape.epsilon, shape.activation, form.bottleneck, form.low_rank_scale};
      blocks_.emplace_back(exec_, parameters, message("blocks.", i), block, ready == nullptr ? nullptr : &ready->blocks[static_cast<std::size_t>(i)]);
    }
    norm_ = nn::TrainedNorm<Exec, T>(exec_, parameters, shape.fc_norm ? "fc_norm" : "norm", shape.epsilon);
    gradients_ = Vector<S, Memory>({parameters.store().values().size()});
    if constexpr (!std::is_same_v<Memory, HostMemory>) { host_gradients_ = Vector<S>(gradients_.shape()); }
    find_lowest();
    find_added();
  }

  /// Takes over new values of the same segments.
  void refresh(VectorView<S const> values) {
    embedding_.refresh(exec_, values);
    if (shape_.pre_norm) { norm_pre_.refresh(exec_, values); }
    for (auto& block : blocks_) { block.refresh(exec_, values); }
    norm_.refresh(exec_, values);
    if (tail_) { tail_->refresh(exec_, values); }
    exec_.wait();  // `values` may change from here on
  }

  /// Costs nothing here: the next `backward` writes the gradients of whole weights and clears the others.
  void zero_gradients() { fresh_ = true; }

  /// The gradients, or their squares, added up so far, laid out as the store's buffer; host memory.
  [[nodiscard]] VectorView<S const> gradients() {
    clear(false);
    if constexpr (std::is_same_v<Memory, HostMemory>) {
      return gradients_.cview();
    } else {
      kernels::download(exec_, gradients_.cview(), host_gradients_.view());
      return host_gradients_.cview();
    }
  }

  /// @param[in]  images   [B, channels, H, W] in the executor's memory; must stay until `backward`
  /// @param[out] features [B, D]
  template <class Hook>
  void forward(TensorView<float const, 4> images, Hook& hook, MatrixView<S> features, RngKey const& dropout, bool learning = true) {
    Index const batch = images.extent(0);
    begin_tape(0, dropout, learning);
    images_ = images;
    embedding_raw_.emplace(scratch_.template lease<T>(Shape<2>{embedding_.keeps_raw() ? batch * shape_.patches() : 0, shape_.width}));
    before_norm_.reset();
    Stream tokens = lease(batch, shape_.tokens());
    embed(images, tokens.view());
    if (shape_.pre_norm) {
      before_norm_.emplace(std::move(tokens));
      tokens = lease(batch, shape_.tokens());
      norm_pre_.forward(exec_, all_rows(before_norm_->view()), all_rows(tokens.view()));
    }
    run_blocks(std::move(tokens), hook, features);
  }

  /// The same from the tokens in front of block `first` on; nothing below it may learn.
  /// @param[in] tokens [B, T, D]
  /// @throws ValueError  when something below that block learns
  template <class Hook>
  void forward_behind(TensorView<S const, 3> tokens, Index first, Hook& hook, MatrixView<S> features, RngKey const& dropout, bool learning = true) {
    if (lowest_learning_ < first) { fail<ValueError>("VitTraining::forward_behind", "block ", lowest_learning_, " learns, so that the pass cannot begin at block ", first); }
    begin_tape(first, dropout, learning);
    Stream own = lease(tokens.extent(0), tokens.extent(1));
    kernels::take_tokens(exec_, tokens, 0, own.view());
    run_blocks(std::move(own), hook, features);
  }

  /// Adds the gradients of everything that learns, or the squares of the samples' own, and gives the hook its own, which are gradients in either case.
  /// @param[in] d_features [B, D]
  template <class Hook>
  void backward(MatrixView<S const> d_features, Hook& hook, Accumulates what = Accumulates::sums) {
    how_ = nn::Summation::of(what, d_features.extent(0));
    how_.fresh = fresh_ && !how_.squares();
    clear(how_.fresh);
    Index const lowest = lowest_needed(hook);
    Stream d = read_backward(d_features, lowest < shape_.depth);
    for (Index i = shape_.depth; i-- > std::max<Index>(lowest, 0);) { d = block_backward(i, hook, std::move(d), i > lowest); }
    if (lowest >= 0) { return; }
    if (shape_.pre_norm) {
      norm_pre_.accumulate(exec_, all_rows(before_norm_->view()), all_rows(d.view()), gradients_.view(), scratch_, how_);
      if (!embedding_.learns()) { return; }
      Stream below = lease(d.view().extent(0), d.view().extent(1));
      kernels::fill(exec_, flat(below.view()), S{0});
      norm_pre_.backward(exec_, all_rows(before_norm_->view()), all_rows(d.view()), all_rows(below.view()));
      d = std::move(below);
    }
    embedding_.accumulate(exec_, images_, embedding_raw_->view(), d.view(), gradients_.view(), scratch_, how_);
  }

  /// Bytes of working memory, tape included.
  [[nodiscard]] std::size_t scratch_bytes() const { return scratch_.bytes(); }

 private:
  using Pool = ScratchPool<Memory>;
  using Tail = nn::TrainedClassAttention<Exec, T>;

  /// A lent part of the residual stream that can be replaced by another.
  class Stream {
   public:
    using Lease = typename Pool::template Lease<S, 3>;
    explicit Stream(Lease lease) { lease_.emplace(std::move(lease)); }
    Stream(Stream&& other) noexcept { *this = std::move(other); }
    Stream& operator=(Stream&& other) noexcept {
      lease_.reset();
      if (other.lease_) { lease_.emplace(std::move(*other.lease_)); }
      other.lease_.reset();
      return *this;
    }
    Stream(Stream const&) = delete;
    Stream& operator=(Stream const&) = delete;
    ~Stream() = default;
    [[nodiscard]] TensorView<S, 3> view() const { return lease_->view(); }

   private:
    std::optional<Lease> lease_;
  };

  /// Where rows were put into the sequence, or taken out of it.
  struct Injection {
    Index at = 0;
    Index length = 0;  ///< 0: nothing was
    TokenInjection::How how = TokenInjection::How::insert;

    /// Whether rows of a hook are in the sequence.
    [[nodiscard]] bool gives() const { return length > 0 && how != TokenInjection::How::remove; }
  };

  struct Step {
    Stream x;
    nn::BlockTapeStorage<T, Memory> storage;
    Injection injection;
    Index prefix = 0;  ///< keys and values put in front
    [[nodiscard]] nn::BlockTape<T> tape() const { return storage.views(x.view()); }
  };

  /// A hook's keys and values in the scalar of activations.
  struct Prefix : detail::PrefixRows<T> {
    std::optional<typename Pool::template Lease<T, 3>> k_memory;
    std::optional<typename Pool::template Lease<T, 3>> v_memory;
  };

  template <class Hook>
  static constexpr bool takes_tokens_gradient = TakesTokensGradient<Hook> || TakesTokensGradientFromHidden<Hook>;

  [[nodiscard]] Step const& step_of(Index block) const { return tape_[static_cast<std::size_t>(block - first_)]; }

  [[nodiscard]] static RowsView<S> all_rows(TensorView<S, 3> x) { return {x.data(), x.extent(0) * x.extent(1), x.extent(2), x.extent(2)}; }
  [[nodiscard]] static VectorView<S> flat(TensorView<S, 3> x) { return {x.data(), {x.size()}}; }
  [[nodiscard]] Stream lease(Index batch, Index tokens) const { return Stream(scratch_.template lease<S>(Shape<3>{batch, tokens, shape_.width})); }
  [[nodiscard]] nn::DropoutDraw draw(Index block, Index first) const { return {draw_.key, block, first, draw_.active}; }

  template <class Use>
  void in_parts(Index batch, Index tokens, Use const& use) const {
    kernels::for_parts(exec_, batch, kernels::sequences_at_once(tokens), use);
  }

  void begin_tape(Index first, RngKey const& dropout, bool learning) {
    tape_.clear();
    if (tail_) { tail_->forget(); }
    first_ = first;
    draw_ = {.key = dropout, .block = 0, .first = 0, .active = learning};
    inserted_ = {};
  }

  template <class Hook>
  void run_blocks(Stream tokens, Hook& hook, MatrixView<S> features) {
    Index const begin = first_;
    for (Index i = begin; i < shape_.depth; ++i) {
      tokens = run_block(i, hook, std::move(tokens));
      if (lowest_needed(hook) > i) {  // no way back leads here
        tape_.clear();
        first_ = i + 1;
      }
    }
    read(std::move(tokens), features);
  }

  /// What a fresh gradient must be cleared in before a pass adds to it: everything but the whole weights.
  void find_added() {
    std::vector<nn::LearnedPart> written;
    embedding_.tell_written(written);
    for (auto const& block : blocks_) { block.tell_written(written); }
    if (tail_) { tail_->tell_written(written); }
    std::sort(written.begin(), written.end(), [](auto const& a, auto const& b) { return a.offset < b.offset; });
    written.push_back({gradients_.size(), 0});
    Index first = 0;
    for (nn::LearnedPart const& part : written) {
      if (part.offset > first) { added_.push_back({first, part.offset - first}); }
      first = part.offset + part.count;
    }
  }

  /// Clears the gradients where they are fresh.
  /// @param is_written  whole weights are about to be written
  void clear(bool is_written) {
    if (!fresh_) { return; }
    fresh_ = false;
    if (!is_written) { return kernels::fill(exec_, gradients_.view(), S{0}); }
    for (nn::LearnedPart const& part : added_) { kernels::fill(exec_, part.vector(gradients_.view()), S{0}); }
  }

  /// The lowest block in which something learns; -1 when something below the blocks does, `depth` when nothing does.
  void find_lowest() {
    lowest_learning_ = shape_.depth;
    for (Index i = shape_.depth; i-- > 0;) {
      if (blocks_[static_cast<std::size_t>(i)].learns()) { lowest_learning_ = i; }
    }
    if (embedding_.learns() || (shape_.pre_norm && norm_pre_.learns())) { lowest_learning_ = -1; }
  }

  /// The lowest block that backward must enter; its input's gradient is needed only for rows injected in front of it.
  template <class Hook>
  [[nodiscard]] Index lowest_needed(Hook const& hook) const {
    Index lowest = lowest_learning_;
    if (!detail::wants_gradients(hook)) { return lowest; }
    for (Index i = first_; i < first_ + static_cast<Index>(tape_.size()); ++i) {
      Step const& step = step_of(i);
      bool const wanted = (takes_tokens_gradient<Hook> && step.injection.gives()) || (TakesPrefixGradient<Hook> && step.prefix > 0);
      if (wanted) { lowest = std::min(lowest, i); }
    }
    return lowest;
  }

  void embed(TensorView<float const, 4> images, TensorView<S, 3> tokens) const {
    auto const raw = embedding_raw_->view();
    Index const each = raw.extent(0) / std::max<Index>(1, images.extent(0));
    in_parts(images.extent(0), shape_.tokens(),
             [&](Exec const& exec, Index first, Index count) { embedding_.forward(exec, images.slice(first, count), raw.slice(first * each, count * each), tokens.slice(first, count), scratch_); });
  }

  /// Rows of a hook in the scalar of the stream.
  template <class Use>
  void with_stream_rows(TensorView<float const, 3> rows, Use const& use) const {
    if constexpr (std::is_same_v<S, float>) {
      use(rows);
    } else {
      auto const wide = scratch_.template lease<S>(rows.shape());
      kernels::convert(exec_, rows.template reshaped<1>({rows.size()}), VectorView<S>(wide.data(), {rows.size()}));
      use(TensorView<S const, 3>(wide.view()));
    }
  }

  template <class Hook>
  [[nodiscard]] Prefix prefix_for(Index i, Hook& hook, Index batch) const {
    PrefixInjection const given = detail::prefix_of(hook, i);
    Prefix prefix;
    if (given.k.extent(1) == 0) { return prefix; }
    prefix.compensated = given.compensated;
    expects(given.k.shape() == given.v.shape() && (given.k.extent(0) == 1 || given.k.extent(0) == batch) && given.k.extent(2) == shape_.width, "VitTraining::forward",
            message("prefix keys and values of block ", i, " must be [1 or ", batch, ", P, ", shape_.width, "]"), given.k.extent(0), given.k.extent(1), given.k.extent(2));
    if constexpr (std::is_same_v<T, float>) {
      prefix.k = given.k;
      prefix.v = given.v;
    } else {
      auto const convert = [&](TensorView<float const, 3> from, auto& memory, TensorView<T const, 3>& view) {
        memory.emplace(scratch_.template lease<T>(from.shape()));
        kernels::convert(exec_, from.template reshaped<1>({from.size()}), VectorView<T>(memory->data(), {from.size()}));
        view = memory->view();
      };
      convert(given.k, prefix.k_memory, prefix.k);
      convert(given.v, prefix.v_memory, prefix.v);
    }
    return prefix;
  }

  /// What reaches block `i`, with the hook's rows in it.
  template <class Hook>
  [[nodiscard]] Stream inject(Index i, Hook& hook, Stream tokens, Injection& injection) {
    TokenInjection given;
    if constexpr (std::is_same_v<S, float>) {
      given = detail::tokens_of(hook, i, TensorView<float const, 3>(tokens.view()));
    } else {
      given = detail::tokens_of(hook, i, TensorView<float const, 3>());
    }
    Index const length = given.rows.extent(1);
    if (length == 0) { return tokens; }
    injection = {.at = given.at, .length = length, .how = given.how};
    if (given.how == TokenInjection::How::remove) {
      inserted_ = {};
      return without_rows(tokens.view(), injection);
    }
    with_stream_rows(given.rows, [&](TensorView<S const, 3> rows) {
      auto const before = tokens.view();
      if (injection.how == TokenInjection::How::insert) {
        Stream longer = lease(before.extent(0), before.extent(1) + length);
        kernels::insert_tokens(exec_, TensorView<S const, 3>(before), rows, given.at, longer.view());
        tokens = std::move(longer);
        inserted_ = injection;
      } else {
        kernels::overwrite_tokens(exec_, rows, given.at, before);
      }
    });
    return tokens;
  }

  template <class Hook>
  [[nodiscard]] Stream run_block(Index i, Hook& hook, Stream tokens) {
    auto const& block = blocks_[static_cast<std::size_t>(i)];
    Injection injection;
    tokens = inject(i, hook, std::move(tokens), injection);
    Index const batch = tokens.view().extent(0);
    Index const length = tokens.view().extent(1);
    Prefix const prefix = prefix_for(i, hook, batch);
    tape_.push_back(Step{std::move(tokens), nn::BlockTapeStorage<T, Memory>(scratch_, block.tape_extents(batch, length)), injection, prefix.k.extent(1)});
    Stream out = lease(batch, block.rows_of(length));
    nn::BlockTape<T> const tape = tape_.back().tape();
    in_parts(batch, length,
             [&](Exec const& exec, Index first, Index count) { block.forward(exec, prefix.of(first, count), tape.part(first, count), draw(i, first), out.view().slice(first, count), scratch_); });
    return out;
  }

  /// The feature out of the last block's rows.
  void read(Stream tokens, MatrixView<S> features) {
    if (tail_) {
      tail_->forward(exec_, TensorView<S const, 3>(tokens.view()), features, scratch_);
    } else if (pooled_rows_ > 0) {
      auto const rows = tokens.view();
      if (rows.extent(1) == 1) {
        norm_.forward(exec_, all_rows(rows), RowsView<S>(features));
      } else {
        Stream const normed = lease(rows.extent(0), rows.extent(1));
        norm_.forward(exec_, all_rows(rows), all_rows(normed.view()));
        kernels::mean_tokens(exec_, TensorView<S const, 3>(normed.view()), 0, features);
      }
    } else {
      if (inserted_.length > 0) {  // the patches alone are averaged
        tokens = without_rows(tokens.view(), inserted_);
      }
      auto const rows = tokens.view();
      if (shape_.fc_norm) {
        mean_.emplace(scratch_.template lease<S>(features.shape()));
        kernels::mean_tokens(exec_, TensorView<S const, 3>(rows), shape_.prefix_tokens(), mean_->view());
        norm_.forward(exec_, RowsView<S>(mean_->view()), RowsView<S>(features));
      } else {
        Stream const normed = lease(rows.extent(0), rows.extent(1));
        norm_.forward(exec_, all_rows(rows), all_rows(normed.view()));
        kernels::mean_tokens(exec_, TensorView<S const, 3>(normed.view()), shape_.prefix_tokens(), features);
      }
    }
    last_.emplace(std::move(tokens));
  }

  /// The gradient of the last block's rows.
  /// @param below  whether anything that made them needs it
  [[nodiscard]] Stream read_backward(MatrixView<S const> d_features, bool below) {
    auto const rows = last_->view();
    Stream d = lease(rows.extent(0), rows.extent(1));
    if (tail_) {
      tail_->backward(exec_, d_features, below ? d.view() : TensorView<S, 3>(), gradients_.view(), scratch_, how_);
      return d;
    }
    kernels::fill(exec_, flat(d.view()), S{0});
    auto const through_norm = [&](RowsView<S> x, RowsView<S> dy, RowsView<S> dx) {
      norm_.backward(exec_, x, dy, dx);
      norm_.accumulate(exec_, x, dy, gradients_.view(), scratch_, how_);
    };
    auto const upper = scratch_.template lease<S>(d_features.shape());
    kernels::take_tokens(exec_, TensorView<S const, 3>(d_features.data(), {d_features.extent(0), 1, d_features.extent(1)}), 0,
                         TensorView<S, 3>(upper.data(), {d_features.extent(0), 1, d_features.extent(1)}));
    RowsView<S> const d_rows(upper.view());
    if (pooled_rows_ == 1) {
      through_norm(all_rows(rows), d_rows, all_rows(d.view()));
    } else if (pooled_rows_ > 1 || !shape_.fc_norm) {
      Stream const normed = lease(rows.extent(0), rows.extent(1));
      kernels::fill(exec_, flat(normed.view()), S{0});
      kernels::spread_mean_tokens(exec_, MatrixView<S const>(upper.view()), pooled_rows_ > 1 ? 0 : shape_.prefix_tokens(), normed.view());
      through_norm(all_rows(rows), all_rows(normed.view()), all_rows(d.view()));
    } else {
      auto const d_mean = scratch_.template lease<S>(d_features.shape());
      kernels::fill(exec_, VectorView<S>(d_mean.data(), {d_mean.view().size()}), S{0});
      through_norm(RowsView<S>(mean_->view()), d_rows, RowsView<S>(d_mean.view()));
      kernels::spread_mean_tokens(exec_, MatrixView<S const>(d_mean.view()), shape_.prefix_tokens(), d.view());
    }
    if (pooled_rows_ == 0 && inserted_.length > 0) { d = with_zero_rows(std::move(d), inserted_); }
    return d;
  }

  [[nodiscard]] Stream without_rows(TensorView<S const, 3> longer, Injection const& where) const {
    Stream shorter = lease(longer.extent(0), longer.extent(1) - where.length);
    kernels::remove_tokens(exec_, longer, where.at, shorter.view());
    return shorter;
  }

  [[nodiscard]] Stream with_zero_rows(Stream d, Injection const& where) const {
    auto const shorter = d.view();
    auto const zeros = zero_rows(where.length);
    Stream longer = lease(shorter.extent(0), shorter.extent(1) + where.length);
    kernels::insert_tokens(exec_, TensorView<S const, 3>(shorter), TensorView<S const, 3>(zeros.view()), where.at, longer.view());
    return longer;
  }

  [[nodiscard]] auto zero_rows(Index length) const {
    auto zeros = scratch_.template lease<S>(Shape<3>{1, length, shape_.width});
    kernels::fill(exec_, flat(zeros.view()), S{0});
    return zeros;
  }

  /// From the gradient behind block `i` to that in front of what the hook put before it.
  template <class Hook>
  [[nodiscard]] Stream block_backward(Index i, Hook& hook, Stream d, bool below) {
    auto const& block = blocks_[static_cast<std::size_t>(i)];
    Step const& step = step_of(i);
    nn::BlockTape<T> const tape = step.tape();
    Index const batch = tape.x.extent(0);
    Index const length = tape.x.extent(1);
    bool const injected = takes_tokens_gradient<Hook> && step.injection.gives();
    typename nn::TrainedBlock<Exec, T>::Reach const reach{.input = below || injected, .prefix = TakesPrefixGradient<Hook> && step.prefix > 0};
    auto const extents = block.tape_extents(batch, length);
    bool const in_place = !block.few_rows();
    std::optional<Stream> input;
    if (!in_place && reach.input) { input.emplace(lease(batch, length)); }
    TensorView<S, 3> const d_out = d.view();
    TensorView<S, 3> const d_in = input ? input->view() : d_out;

    Prefix const prefix = prefix_for(i, hook, batch);
    auto const d_keys = scratch_.template lease<S>(Shape<3>{reach.prefix ? batch : 0, step.prefix, shape_.width});
    auto const d_values = scratch_.template lease<S>(Shape<3>{reach.prefix ? batch : 0, step.prefix, shape_.width});
    if (reach.prefix) {
      kernels::fill(exec_, flat(d_keys.view()), S{0});
      kernels::fill(exec_, flat(d_values.view()), S{0});
    }
    auto const prefix_gradient = [&](Index first, Index count) -> kernels::KeyValueGradient<S> {
      if (!reach.prefix) { return {}; }
      auto const rows = [&](TensorView<S, 3> all) { return all.slice(first, count).template reshaped<2>({count * step.prefix, shape_.width}); };
      return {rows(d_keys.view()), rows(d_values.view()), step.prefix};
    };
    auto const run = [&](Exec const& exec, Index first, Index count, nn::BlockGradients<T> const& gradients) {
      auto const in = reach.input ? d_in.slice(first, count) : TensorView<S, 3>();
      block.backward(exec, prefix.of(first, count), tape.part(first, count), draw(i, first), reach, d_out.slice(first, count), in, gradients, prefix_gradient(first, count), scratch_);
    };
    using Storage = nn::BlockGradientsStorage<T, Memory>;
    if (block.learns()) {
      Storage const storage(scratch_, extents, block.shares_out(), block.shares_projected());
      auto const gradients = storage.views(d_out);
      in_parts(batch, length, [&](Exec const& exec, Index first, Index count) { run(exec, first, count, gradients.part(first, count)); });
      block.accumulate(exec_, tape, draw(i, 0), gradients, gradients_.view(), scratch_, how_);
    } else {  // what lies between the layers is needed no longer than the part takes
      in_parts(batch, length, [&](Exec const& exec, Index first, Index count) {
        auto part = extents;
        part.batch = count;
        run(exec, first, count, Storage(scratch_, part, block.shares_out(), block.shares_projected()).views(d_out.slice(first, count)));
      });
    }
    if (reach.prefix) { give_prefix(i, hook, d_keys.view(), d_values.view()); }
    if (input) { d = std::move(*input); }
    return injected ? give_tokens(i, hook, step.injection, std::move(d)) : without_injection(step.injection, std::move(d), below);
  }

  template <class Use>
  void with_float_rows(TensorView<S, 3> rows, Use const& use) const {
    if constexpr (std::is_same_v<S, float>) {
      use(TensorView<float const, 3>(rows));
    } else {
      auto const narrow = scratch_.template lease<float>(rows.shape());
      kernels::convert(exec_, VectorView<S const>(flat(rows)), VectorView<float>(narrow.data(), {rows.size()}));
      use(TensorView<float const, 3>(narrow.view()));
    }
  }

  template <class Hook>
  void give_prefix(Index i, Hook& hook, TensorView<S, 3> d_keys, TensorView<S, 3> d_values) const {
    if constexpr (TakesPrefixGradient<Hook>) {
      with_float_rows(d_keys, [&](TensorView<float const, 3> k) { with_float_rows(d_values, [&](TensorView<float const, 3> v) { hook.prefix_gradient(i, k, v); }); });
    }
  }

  template <class Hook>
  [[nodiscard]] Stream give_tokens(Index i, Hook& hook, Injection const& injection, Stream d) const {
    if constexpr (takes_tokens_gradient<Hook>) {
      auto const rows = scratch_.template lease<S>(Shape<3>{d.view().extent(0), injection.length, shape_.width});
      kernels::take_tokens(exec_, TensorView<S const, 3>(d.view()), injection.at, rows.view());
      with_float_rows(rows.view(), [&](TensorView<float const, 3> given) {
        if constexpr (TakesTokensGradient<Hook>) {
          hook.tokens_gradient(i, given);
        } else if constexpr (std::is_same_v<S, float>) {
          hook.tokens_gradient(i, given, TensorView<float const, 3>(step_of(i).x.view()), d.view());
        }
      });
    }
    return without_injection(injection, std::move(d), true);
  }

  /// Injected rows end here: inserted ones leave the sequence, overwritten ones have no gradient below, removed ones come back without any.
  [[nodiscard]] Stream without_injection(Injection const& injection, Stream d, bool needed) const {
    if (injection.length == 0 || !needed) { return d; }
    switch (injection.how) {
      case TokenInjection::How::insert: return without_rows(d.view(), injection);
      case TokenInjection::How::remove: return with_zero_rows(std::move(d), injection);
      case TokenInjection::How::overwrite: break;
    }
    auto const zeros = zero_rows(injection.length);
    kernels::overwrite_tokens(exec_, TensorView<S const, 3>(zeros.view()), injection.at, d.view());
    return d;
  }

  Exec exec_;
  VitShape shape_;
  Pool scratch_;
  nn::TrainedEmbedding<Exec, T> embedding_;
  nn::TrainedNorm<Exec, T> norm_pre_;
  std::vector<nn::TrainedBlock<Exec, T>> blocks_;
  nn::TrainedNorm<Exec, T> norm_;
  std::optional<Tail> tail_;
  Index pooled_rows_ = 0;  ///< how many of the first rows the feature is made of; 0: of the patches
  Index lowest_learning_ = 0;
  nn::Summation how_;  ///< of the way back at hand
  Vector<S, Memory> gradients_;
  bool fresh_ = true;                   ///< `gradients_` has not been touched since it was to be cleared
  std::vector<nn::LearnedPart> added_;  ///< what of it is never written as a whole
  Vector<S> host_gradients_;

  // The tape of the last batch.
  Index first_ = 0;  ///< the block it began with
  TensorView<float const, 4> images_;
  nn::DropoutDraw draw_;
  Injection inserted_;
  std::optional<typename Pool::template Lease<T, 2>> embedding_raw_;
  std::optional<Stream> before_norm_;
  std::optional<typename Pool::template Lease<S, 2>> mean_;
  std::vector<Step> tape_;
  std::optional<Stream> last_;
};

}  // namespace accrete
