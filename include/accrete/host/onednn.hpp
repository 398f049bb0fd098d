#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/error.hpp>
#include <accrete/core/precision.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/amx.hpp>
#include <accrete/host/amx_panels.hpp>
#include <accrete/host/epilogue.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/onednn_matmul.hpp>
#include <accrete/host/panel_product.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/tokens.hpp>
#include <accrete/host/weight_panels.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::host {

/// Products by oneDNN (interfaces 2.6 and 3): weights in its own blocked layout, bias, activation and accumulation fused.
/// bfloat16 weights stay bfloat16 where the processor multiplies them; elsewhere they are rounded to it and multiplied in float32.
/// Where oneDNN only has its general kernels, whose bits depend on the number of rows, our own register tiles multiply, provided that the
/// compiler may use vectors with fused multiply-adds.
struct OneDnn {
  static constexpr std::string_view name = "host/onednn";

  /// Weight and bias of a linear layer in oneDNN's layout, and the products compiled for them so far; copies share both.
  /// Safe to use from several threads.
  class PackedWeights {
   public:
    PackedWeights() = default;
    /// @param[in] weight [out, in], or [in, out] for `input_rows`;  @param[in] bias [out] or empty
    /// @throws ValueError  for float64;  Error  when oneDNN refuses
    PackedWeights(MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order, Precision precision, int threads);

    [[nodiscard]] Index inputs() const { return shared_ ? shared_->form.inputs : 0; }
    [[nodiscard]] Index outputs() const { return shared_ ? shared_->form.outputs : 0; }
    [[nodiscard]] bool has_bias() const { return shared_ && shared_->form.bias; }
    [[nodiscard]] Precision precision() const { return shared_ ? shared_->precision : Precision::float32; }
    /// Whether the engine multiplies in float32, whatever the precision says.
    [[nodiscard]] bool multiplies_float32() const { return shared_->form.type == detail::Dnn::data_type::f32; }
    /// The weight where our own tiles multiply it, else nullptr.
    [[nodiscard]] WeightPanels const* panels() const { return shared_->panels.empty() ? nullptr : &shared_->panels; }
    /// The weight where tile registers multiply it, else nullptr.
    [[nodiscard]] AmxPanels const* amx_panels() const { return shared_->amx_panels.empty() ? nullptr : &shared_->amx_panels; }
    /// [out], or nullptr
    [[nodiscard]] float const* bias() const { return shared_->form.bias ? static_cast<float const*>(shared_->bias.get_data_handle()) : nullptr; }
    /// Whether a row's bits stay when a product has other rows beside it or more threads; if not, products are cut into equal chunks.
    [[nodiscard]] bool has_fixed_order() const { return shared_->fixed_order; }

    /// y = act(x W^T + b) for dense rows of the engine's scalars.
    /// @throws Error  when oneDNN refuses
    void multiply(void const* x, void* y, detail::MatmulForm const& form) const;

    /// New values in the same memory.
    /// @throws Error  when oneDNN refuses
    void assign(MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order, int threads);

   private:
    /// Every number of rows is compiled for itself. That many are kept: more than the batch sizes of a run, little memory.
    static constexpr std::size_t most_compiled = 64;

    struct Shared {
      detail::MatmulWeight form;
      Precision precision = Precision::float32;
      bool fixed_order = true;
      detail::Dnn weight;
      WeightPanels panels;   // in place of `weight`
      AmxPanels amx_panels;  // the same
      detail::Dnn bias;
      std::optional<detail::CompiledReorder> from_output_rows;
      std::optional<detail::CompiledReorder> from_input_rows;

      std::mutex mutex;
      std::vector<std::pair<detail::MatmulForm, std::shared_ptr<detail::CompiledMatmul const>>> compiled;
      std::size_t oldest = 0;
    };

    static std::shared_ptr<detail::CompiledMatmul const> compiled(Shared& shared, detail::MatmulForm const& form);

    std::shared_ptr<Shared> shared_;
  };
};

namespace detail {
/// The layout of a packed weight is asked for with this many rows and used with every other number.
inline constexpr Index nominal_rows = 1024;

struct RoundedWeight;

/// Whether register tiles are a match for the code that oneDNN chooses at run time.
inline constexpr bool own_tiles_are_fast = ACCRETE_WITH_FMA != 0 && ACCRETE_VECTOR_BYTES >= 32;

/// Rows of one product where the bits would depend on their number.
inline constexpr Index onednn_rows = 64;

/// How oneDNN wants to multiply a weight, or nothing when it only has a plain loop or refuses.
[[nodiscard]] inline std::optional<dnnl::matmul::primitive_desc> nominal_product(MatmulWeight const& weight, int threads) {
  MatmulForm const form{.rows = nominal_rows, .threads = threads};
  Dnn::desc const any({weight.inputs, weight.outputs}, weight.type, Dnn::format_tag::any);
  try {
    auto description = describe_matmul(weight, form, any);
    if (is_plain_loop(description) && weight.type != Dnn::data_type::f32) { return std::nullopt; }
    return description;
  } catch (dnnl::error const&) { return std::nullopt; }
}
}  // namespace detail

inline OneDnn::PackedWeights::PackedWeights(MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order, Precision precision, int threads) {
  using detail::Dnn;
  if (precision == Precision::float64) { fail<ValueError>("pack", "oneDNN has no products in ", name_of(precision), "; EigenProducts has"); }
  ThreadScope const scope(threads);
  auto shared = std::make_shared<Shared>();
  shared->precision = precision;
  shared->form = {kernels::detail::inputs_of(weight.shape(), order), kernels::detail::outputs_of(weight.shape(), order), precision == Precision::bfloat16 ? Dnn::data_type::bf16 : Dnn::data_type::f32,
                  !bias.empty()};
  auto description = detail::nominal_product(shared->form, threads);
  if (!description && precision == Precision::bfloat16) {
    shared->form.type = Dnn::data_type::f32;
    description = detail::nominal_product(shared->form, threads);
  }
  if (!description) { fail<Error>("pack", "oneDNN has no product for a weight [", shared->form.outputs, ", ", shared->form.inputs, "]"); }
  try {
    shared->fixed_order = detail::has_fixed_order(*description);
    if (shared->form.type == Dnn::data_type::bf16 && amx::available()) {
      shared->amx_panels = AmxPanels(shared->form.inputs, shared->form.outputs);
    } else if (!detail::is_blocked(*description) && detail::own_tiles_are_fast) {
      shared->panels = WeightPanels(shared->form.inputs, shared->form.outputs);
    } else {
      shared->weight = Dnn(description->weights_desc(), detail::dnn_engine());
    }
    if (!bias.empty()) { shared->bias = Dnn({{1, bias.extent(0)}, Dnn::data_type::f32, Dnn::format_tag::ab}, detail::dnn_engine()); }
  } catch (dnnl::error const& error) { fail<Error>("pack", "oneDNN refused a weight [", shared->form.outputs, ", ", shared->form.inputs, "]: ", error.what()); }
  shared_ = std::move(shared);
  assign(weight, bias, order, threads);
}

inline void OneDnn::PackedWeights::assign(MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order, int threads) {
  using detail::Dnn;
  ThreadScope const scope(threads);
  Shared& shared = *shared_;
  float const* from = weight.data();
  if (shared.precision == Precision::bfloat16 && multiplies_float32()) {
    float* const rounded = ThreadScratch<detail::RoundedWeight>::get<float>(weight.size());
    std::transform(weight.begin(), weight.end(), rounded, [](float w) { return to_float(to_bfloat16(w)); });
    from = rounded;
  }
  if (!shared.amx_panels.empty()) {
    shared.amx_panels.assign(threads, {from, weight.shape()}, order);
  } else if (!shared.panels.empty()) {
    shared.panels.assign(threads, {from, weight.shape()}, order);
  } else {
    bool const output_rows = order == kernels::WeightOrder::output_rows;
    try {
      std::lock_guard const lock(shared.mutex);
      auto& reorder = output_rows ? shared.from_output_rows : shared.from_input_rows;
      if (!reorder) { reorder.emplace(shared.form, output_rows ? Dnn::format_tag::ba : Dnn::format_tag::ab, shared.weight.get_desc()); }
      detail::execute_reorder(*reorder, from, shared.weight);
    } catch (dnnl::error const& error) { fail<Error>("pack", "oneDNN refused a weight [", outputs(), ", ", inputs(), "]: ", error.what()); }
  }
  if (has_bias()) { std::copy(bias.begin(), bias.end(), static_cast<float*>(shared.bias.get_data_handle())); }
}

inline std::shared_ptr<detail::CompiledMatmul const> OneDnn::PackedWeights::compiled(Shared& shared, detail::MatmulForm const& form) {
  std::lock_guard const lock(shared.mutex);
  auto const known = std::find_if(shared.compiled.begin(), shared.compiled.end(), [&](auto const& entry) { return entry.first == form; });
  if (known != shared.compiled.end()) { return known->second; }
  auto fresh = std::make_shared<detail::CompiledMatmul const>(detail::describe_matmul(shared.form, form, shared.weight.get_desc()));
  if (shared.compiled.size() < most_compiled) {
    shared.compiled.emplace_back(form, fresh);
  } else {
    shared.compiled[shared.oldest++ % most_compiled] = {form, fresh};
  }
  return fresh;
}

inline void OneDnn::PackedWeights::multiply(void const* x, void* y, detail::MatmulForm const& form) const {
  ThreadScope const scope(form.threads);
  try {
    detail::execute_matmul(*compiled(*shared_, form), shared_->weight, shared_->bias, x, y);
  } catch (dnnl::error const& error) { fail<Error>("product", "oneDNN refused rows [", form.rows, ", ", inputs(), "] times a weight [", outputs(), ", ", inputs(), "]: ", error.what()); }
}

[[nodiscard]] inline OneDnn::PackedWeights pack_on(HostExecutor<OneDnn> const& exec, MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order) {
  return {weight, bias, order, exec.precision, exec.thread_count()};
}

inline void repack_on(HostExecutor<OneDnn> const& exec, MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order, OneDnn::PackedWeights& packed) {
  packed.assign(weight, bias, order, exec.thread_count());
}

namespace detail {
struct StagedInput;
struct StagedOutput;
struct PaddedInput;
struct PaddedOutput;

template <class T>
inline constexpr auto dnn_type = std::is_same_v<T, float> ? Dnn::data_type::f32 : Dnn::data_type::bf16;

/// Below this many multiplications one thread is done before a second one has woken.
inline constexpr Index worth_threads = Index{1} << 19;

template <class From, class To>
void copy_rows(int threads, RowsView<From const> from, RowsView<To> to) {
  parallel_ranges(threads, from.rows, from.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      if constexpr (std::is_same_v<From, To>) {
        std::copy_n(from.row(i), from.width, to.row(i));
      } else {
        convert_row(from.row(i), to.row(i), from.width);
      }
    }
  });
}

/// A fixed number of rows by one thread, the missing ones filled up: what keeps a row's bits where the engine's blocking follows the shape.
template <class X, class Y>
void multiply_chunk(RowsView<X const> x, OneDnn::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  MatmulForm const form{onednn_rows, dnn_type<Y>, epilogue.activation, epilogue.accumulate, 1};
  if (x.rows == onednn_rows) { return packed.multiply(x.data, y.data, form); }
  RowsView<X> const input(ThreadScratch<PaddedInput>::get<X>(onednn_rows * x.width), x.rows, x.width, x.width);
  RowsView<Y> const output(ThreadScratch<PaddedOutput>::get<Y>(onednn_rows * y.width), y.rows, y.width, y.width);
  copy_rows(1, x, input);
  std::fill(input.row(x.rows), input.row(onednn_rows), X{});
  if (epilogue.accumulate) { copy_rows(1, RowsView<Y const>(y), output); }
  std::fill(output.row(epilogue.accumulate ? y.rows : 0), output.row(onednn_rows), Y{});
  packed.multiply(input.data, output.data, form);
  copy_rows(1, RowsView<Y const>(output), y);
}

/// Dense rows of scalars as the engine takes them on both sides.
template <class X, class Y>
void multiply_dense(int threads, RowsView<X const> x, OneDnn::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  if (packed.has_fixed_order()) { return packed.multiply(x.data, y.data, {x.rows, dnn_type<Y>, epilogue.activation, epilogue.accumulate, threads}); }
  Index const chunks = (x.rows + onednn_rows - 1) / onednn_rows;
  parallel_for(threads, chunks, [&](Index chunk) {
    Index const first = chunk * onednn_rows;
    Index const rows = std::min(onednn_rows, x.rows - first);
    multiply_chunk<X, Y>({x.row(first), rows, x.width, x.stride}, packed, epilogue, {y.row(first), rows, y.width, y.stride});
  });
}

/// Rows that the engine cannot read or write where they lie go through dense copies of the scalar it takes.
template <class X, class Y>
void multiply_staged(int threads, RowsView<X const> x, OneDnn::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  auto const source = [&] {
    if (x.stride == x.width) { return x; }
    RowsView<X> const copy(ThreadScratch<StagedInput>::get<X>(x.rows * x.width), x.rows, x.width, x.width);
    copy_rows(threads, x, copy);
    return RowsView<X const>(copy);
  }();
  if (y.stride == y.width) { return multiply_dense<X, Y>(threads, source, packed, epilogue, y); }
  RowsView<Y> const target(ThreadScratch<StagedOutput>::get<Y>(y.rows * y.width), y.rows, y.width, y.width);
  if (epilogue.accumulate) { copy_rows(threads, RowsView<Y const>(y), target); }
  multiply_dense<X, Y>(threads, source, packed, epilogue, target);
  copy_rows(threads, RowsView<Y const>(target), y);
}

/// bfloat16 on one side or both of an engine that multiplies float32. Activation and rounding come after the product.
template <class X, class Y>
void multiply_widened(int threads, RowsView<X const> x, OneDnn::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  RowsView<float> const source(ThreadScratch<StagedInput>::get<float>(x.rows * x.width), x.rows, x.width, x.width);
  RowsView<float> const target(ThreadScratch<StagedOutput>::get<float>(y.rows * y.width), y.rows, y.width, y.width);
  copy_rows(threads, x, source);
  multiply_dense<float, float>(threads, source, packed, {}, target);
  parallel_ranges(threads, y.rows, y.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) { finish_row<float>(target.row(i), nullptr, epilogue, y.width, y.row(i)); }
  });
}
}  // namespace detail

/// @throws ValueError  when x's scalar is not the one the weight was packed for;  Error  when oneDNN refuses
template <class X, class Y>
  requires(std::is_same_v<SumScalar<X>, float>&& std::is_same_v<SumScalar<Y>, float>)
void product_on(HostExecutor<OneDnn> const& exec, RowsView<X const> x, OneDnn::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  check_input_scalar<X>(packed.precision());
  constexpr bool same_scalars = std::is_same_v<X, float> && std::is_same_v<Y, float>;
  int const threads = x.rows * x.width * y.width < detail::worth_threads ? 1 : exec.thread_count();
  if constexpr (std::is_same_v<X, bfloat16>) {
    if (packed.amx_panels() != nullptr) { return panel_product(threads, x, *packed.amx_panels(), packed.bias(), epilogue, y); }
  }
  if (packed.panels() != nullptr) { return panel_product(threads, x, *packed.panels(), packed.bias(), epilogue, y); }
  // A float32 engine takes no bfloat16 on either side; a bfloat16 engine takes both scalars as targets.
  bool const widen = packed.multiplies_float32() && !same_scalars;
  if (!widen && x.stride == x.width && y.stride == y.width) { return detail::multiply_dense<X, Y>(threads, x, packed, epilogue, y); }
  constexpr Index rows_at_once = 256;  // the copies stay in the cache
  for (Index first = 0; first < x.rows; first += rows_at_once) {
    Index const rows = std::min(rows_at_once, x.rows - first);
    RowsView<X const> const source(x.row(first), rows, x.width, x.stride);
    RowsView<Y> const target(y.row(first), rows, y.width, y.stride);
    if (widen) {
      detail::multiply_widened(threads, source, packed, epilogue, target);
    } else {
      detail::multiply_staged(threads, source, packed, epilogue, target);
    }
  }
}

}  // namespace accrete::host
