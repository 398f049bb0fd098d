#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/threads.hpp>
#include <accrete/kernels/product.hpp>

#include <oneapi/dnnl/dnnl.hpp>

#include <array>
#include <cstddef>
#include <string_view>

/// The little of oneDNN that a product needs, one spelling for its interfaces 2.6 and 3.
namespace accrete::host::detail {

using Dnn = dnnl::memory;

[[nodiscard]] inline dnnl::engine const& dnn_engine() {
  static dnnl::engine const engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// Streams of the processor hold no work; one per thread needs no lock.
[[nodiscard]] inline dnnl::stream& dnn_stream() {
  thread_local dnnl::stream stream(dnn_engine());
  return stream;
}

/// What distinguishes one compiled product of a weight from another. Rows are dense: for others oneDNN has only its plain loop.
struct MatmulForm {
  Index rows = 0;
  Dnn::data_type y_type = Dnn::data_type::f32;
  kernels::Activation activation = kernels::Activation::none;
  bool accumulate = false;
  int threads = 1;

  friend bool operator==(MatmulForm const&, MatmulForm const&) = default;
};

/// The same for every product of a weight.
struct MatmulWeight {
  Index inputs = 0;
  Index outputs = 0;
  Dnn::data_type type = Dnn::data_type::f32;
  bool bias = false;
};

inline void append_eltwise(dnnl::post_ops& operations, dnnl::algorithm algorithm, float alpha) {
#if DNNL_VERSION_MAJOR >= 3
  operations.append_eltwise(algorithm, alpha, 0.0F);
#else
  operations.append_eltwise(1.0F, algorithm, alpha, 0.0F);
#endif
}

[[nodiscard]] inline dnnl::primitive_attr matmul_attributes(MatmulForm const& form) {
  dnnl::post_ops operations;
  if (form.accumulate) { operations.append_sum(1.0F); }
  switch (form.activation) {
    case kernels::Activation::gelu: append_eltwise(operations, dnnl::algorithm::eltwise_gelu_erf, 0.0F); break;
    case kernels::Activation::quick_gelu: append_eltwise(operations, dnnl::algorithm::eltwise_swish, 1.702F); break;
    case kernels::Activation::relu: append_eltwise(operations, dnnl::algorithm::eltwise_relu, 0.0F); break;
    case kernels::Activation::none: break;
  }
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(operations);
  // The library's own scratch memory ties a primitive to the thread that made it.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// @param[in] packed  layout of the weight; format_tag::any lets oneDNN choose it
/// @throws dnnl::error  when oneDNN has no implementation
[[nodiscard]] inline dnnl::matmul::primitive_desc describe_matmul(MatmulWeight const& weight, MatmulForm const& form, Dnn::desc const& packed) {
  Dnn::desc const x({form.rows, weight.inputs}, weight.type, Dnn::format_tag::ab);
  Dnn::desc const y({form.rows, weight.outputs}, form.y_type, Dnn::format_tag::ab);
  Dnn::desc const bias = weight.bias ? Dnn::desc({1, weight.outputs}, Dnn::data_type::f32, Dnn::format_tag::ab) : Dnn::desc();
  auto const attributes = matmul_attributes(form);
#if DNNL_VERSION_MAJOR >= 3
  return {dnn_engine(), x, packed, bias, y, attributes};
#else
  return {dnnl::matmul::desc(x, packed, bias, y), attributes, dnn_engine()};
#endif
}

/// A compiled product and the layouts of what it reads and writes.
struct CompiledMatmul {
  dnnl::matmul primitive;
  Dnn::desc x;
  Dnn::desc y;
  Dnn::desc scratch;

  explicit CompiledMatmul(dnnl::matmul::primitive_desc const& description) : primitive(description), x(description.src_desc()), y(description.dst_desc()), scratch(description.scratchpad_desc()) {}
};

struct MatmulScratch;

/// y = act(x W + b), done when it returns.
inline void execute_matmul(CompiledMatmul const& compiled, Dnn const& weight, Dnn const& bias, void const* x, void* y) {
  auto const scratch_bytes = static_cast<Index>(compiled.scratch.get_size());
  Dnn const source(compiled.x, dnn_engine(), const_cast<void*>(x));  // oneDNN has one kind of pointer
  Dnn const target(compiled.y, dnn_engine(), y);
  Dnn const scratch(compiled.scratch, dnn_engine(), scratch_bytes == 0 ? nullptr : ThreadScratch<MatmulScratch>::get<std::byte>(scratch_bytes));
  // The C entry point takes a plain array where the C++ one builds a hash map per call.
  std::array<dnnl_exec_arg_t, 5> const arguments{
      {{DNNL_ARG_SRC, source.get()}, {DNNL_ARG_WEIGHTS, weight.get()}, {DNNL_ARG_DST, target.get()}, {DNNL_ARG_SCRATCHPAD, scratch.get()}, {DNNL_ARG_BIAS, bias.get(true)}}};
  int const count = bias.get(true) == nullptr ? 4 : 5;
  dnnl::error::wrap_c_api(dnnl_primitive_execute(compiled.primitive.get(), dnn_stream().get(), count, arguments.data()), "could not execute a product");
  dnn_stream().wait();
}

/// A compiled copy of a float weight into the layout that a product asks for, rounding to its scalar.
struct CompiledReorder {
  dnnl::reorder primitive;
  Dnn source;
  Dnn::desc scratch;

  /// @param[in] given  which of the two axes, inputs or outputs, varies fastest in the weight to copy
  CompiledReorder(MatmulWeight const& weight, Dnn::format_tag given, Dnn::desc const& layout) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    Dnn::desc const from({weight.inputs, weight.outputs}, Dnn::data_type::f32, given);
    dnnl::reorder::primitive_desc const description(dnn_engine(), from, dnn_engine(), layout, attributes);
    primitive = dnnl::reorder(description);
    source = Dnn(from, dnn_engine(), nullptr);
    scratch = description.scratchpad_desc();
  }
};

inline void execute_reorder(CompiledReorder& compiled, float const* from, Dnn const& to) {
  auto const scratch_bytes = static_cast<Index>(compiled.scratch.get_size());
  Dnn const scratch(compiled.scratch, dnn_engine(), scratch_bytes == 0 ? nullptr : ThreadScratch<MatmulScratch>::get<std::byte>(scratch_bytes));
  compiled.source.set_data_handle(const_cast<float*>(from));  // oneDNN has one kind of pointer
  std::array<dnnl_exec_arg_t, 3> const arguments{{{DNNL_ARG_FROM, compiled.source.get()}, {DNNL_ARG_TO, to.get()}, {DNNL_ARG_SCRATCHPAD, scratch.get()}}};
  dnnl::error::wrap_c_api(dnnl_primitive_execute(compiled.primitive.get(), dnn_stream().get(), static_cast<int>(arguments.size()), arguments.data()), "could not execute a reorder");
  dnn_stream().wait();
}

/// Whether oneDNN has a kernel of its blocked, batch-reduce family. The general ones (older processors, other architectures) are slower than our own tiles.
[[nodiscard]] inline bool is_blocked(dnnl::matmul::primitive_desc const& description) { return std::string_view(description.impl_info_str()).starts_with("brg"); }

/// Blocked kernels add each element in an order that neither the number of rows nor of threads changes. Those for tile registers (AMX) do not: few rows go to another
/// kernel, and how the inputs are cut follows the shape, as the general kernels' blocking does.
[[nodiscard]] inline bool has_fixed_order(dnnl::matmul::primitive_desc const& description) {
  return is_blocked(description) && std::string_view(description.impl_info_str()).find("amx") == std::string_view::npos;
}

/// Whether the name says that oneDNN only has its plain loop, orders of magnitude slower than anything.
[[nodiscard]] inline bool is_plain_loop(dnnl::matmul::primitive_desc const& description) { return std::string_view(description.impl_info_str()).starts_with("ref"); }

}  // namespace accrete::host::detail
