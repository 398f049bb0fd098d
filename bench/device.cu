// Images per second and time per kernel on a CUDA device, by CUDA events; weights and inputs are random.
//   accrete_bench_device [BATCH...]     the batches, 64 and 256 when none is named

#include <accrete/accrete_device.hpp>
#include <accrete/device/cuda.cuh>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace accrete;
using Exec = DeviceExecutor<CudaSystem>;
using Memory = Exec::Memory;

/// Median seconds of `work`, which queues on the stream; the first calls are not counted.
template <class Work>
double seconds(cudaStream_t stream, int repetitions, Work const& work) {
  cudaEvent_t start = nullptr;
  cudaEvent_t stop = nullptr;
  device::check_cuda(cudaEventCreate(&start), "cudaEventCreate");
  device::check_cuda(cudaEventCreate(&stop), "cudaEventCreate");
  for (int i = 0; i < 3; ++i) { work(); }
  std::vector<double> all;
  for (int i = 0; i < repetitions; ++i) {
    device::check_cuda(cudaEventRecord(start, stream), "cudaEventRecord");
    work();
    device::check_cuda(cudaEventRecord(stop, stream), "cudaEventRecord");
    device::check_cuda(cudaEventSynchronize(stop), "cudaEventSynchronize");
    float milliseconds = 0;
    device::check_cuda(cudaEventElapsedTime(&milliseconds, start, stop), "cudaEventElapsedTime");
    all.push_back(milliseconds * 1e-3);
  }
  device::check_cuda(cudaEventDestroy(start), "cudaEventDestroy");
  device::check_cuda(cudaEventDestroy(stop), "cudaEventDestroy");
  std::nth_element(all.begin(), all.begin() + repetitions / 2, all.end());
  return all[static_cast<std::size_t>(repetitions / 2)];
}

/// Noise of about the given deviation, in host memory.
template <class T, std::size_t Rank>
Tensor<T, static_cast<int>(Rank)> noise(std::array<Index, Rank> shape, float deviation) {
  Tensor<T, static_cast<int>(Rank)> values(shape);
  static std::uint32_t state = 1;
  for (T& value : values) {
    state = state * 1664525U + 1013904223U;
    value = device::converted<T>((static_cast<float>(state >> 8U) / 8388608.0F - 1.0F) * 1.7F * deviation);
  }
  return values;
}

template <class T, std::size_t Rank>
Tensor<T, static_cast<int>(Rank), Memory> noise_there(Exec const& exec, std::array<Index, Rank> shape, float deviation = 1.0F) {
  auto const here = noise<T>(shape, deviation);
  Tensor<T, static_cast<int>(Rank), Memory> there(shape);
  kernels::upload(exec, here.cview(), there.view());
  exec.wait();
  return there;
}

nn::Linear<Exec> random_linear(Exec const& exec, Index inputs, Index outputs) { return {exec, noise<float>(Shape<2>{outputs, inputs}, 0.02F), noise<float>(Shape<1>{outputs}, 0.02F)}; }

nn::LayerNorm<Exec> random_norm(Exec const& exec, Index width) { return {exec, noise<float>(Shape<1>{width}, 1.0F), noise<float>(Shape<1>{width}, 0.1F), 1e-6}; }

PackedVit<Exec> random_network(Exec const& exec, VitShape const& shape) {
  PackedVit<Exec> network;
  network.embedding = nn::PatchEmbedding<Exec>(exec, random_linear(exec, shape.channels * shape.patch * shape.patch, shape.width), shape.patch,
                                               noise<float>(Shape<2>{shape.prefix_tokens(), shape.width}, 0.02F).cview(), noise<float>(Shape<2>{shape.patches(), shape.width}, 0.02F).cview());
  for (Index i = 0; i < shape.depth; ++i) {
    Index const width = shape.width;
    auto attention = i + 1 < shape.depth ? nn::Attention<Exec>(random_linear(exec, width, 3 * width), random_linear(exec, width, width), shape.heads)
                                         : nn::Attention<Exec>(random_linear(exec, width, width), random_linear(exec, width, 2 * width), random_linear(exec, width, width), shape.heads);
    nn::Mlp<Exec> mlp(random_linear(exec, width, shape.hidden), random_linear(exec, shape.hidden, width), shape.activation);
    network.blocks.emplace_back(random_norm(exec, width), std::move(attention), random_norm(exec, width), std::move(mlp));
  }
  network.norm = random_norm(exec, shape.width);
  exec.wait();
  return network;
}

/// Multiplications and additions of one image, two each.
double operations(VitShape const& shape) {
  auto const rows = static_cast<double>(shape.tokens());
  auto const width = static_cast<double>(shape.width);
  double const block = rows * (8.0 * width * width + 4.0 * width * static_cast<double>(shape.hidden)) + 4.0 * rows * rows * width;
  return static_cast<double>(shape.depth) * block;
}

void report_network(Exec const& exec, char const* name, VitShape const& shape, std::vector<Index> const& batches) {
  auto const network = random_network(exec, shape);
  for (Index const batch : batches) {
    auto const images = noise_there<float>(exec, Shape<4>{batch, shape.channels, shape.image_height, shape.image_width});
    Matrix<float, Memory> features({batch, shape.width});
    double const time = seconds(exec.system.stream, 15, [&] { VitPass<Exec>(exec, network, shape).features(images.view(), features.view()); });
    std::printf("features/%s/%s/B:%lld  %.3f ms  %.0f images/s  %.1f TFLOP/s\n", name, std::string(name_of(exec.precision)).c_str(), static_cast<long long>(batch), time * 1e3,
                static_cast<double>(batch) / time, static_cast<double>(batch) * operations(shape) / time * 1e-12);
  }
}

/// One line: the time, and what it makes of the operations and of the bytes that must move.
void report_kernel(char const* name, char const* scalar, double time, double flop, double bytes) {
  std::printf("%s/%s  %.1f us  %.1f TFLOP/s  %.0f GB/s\n", name, scalar, time * 1e6, flop / time * 1e-12, bytes / time * 1e-9);
}

/// The kernels of a block of ViT-B/16, forward and backward, at one batch.
template <class T>
void report_kernels(Exec const& exec, Index batch) {
  char const* const scalar = std::is_same_v<T, float> ? "f32" : "bf16";
  constexpr Index tokens = 197;
  constexpr Index width = 768;
  constexpr Index hidden = 3072;
  constexpr Index heads = 12;
  constexpr double size = sizeof(T);
  Index const rows = batch * tokens;
  auto const elements = static_cast<double>(rows * width);
  auto const stream = noise_there<float>(exec, Shape<2>{rows, width});
  auto const gain = noise_there<float>(exec, Shape<1>{width});
  auto const x = noise_there<T>(exec, Shape<2>{rows, width});
  auto const dy = noise_there<T>(exec, Shape<2>{rows, width});
  auto const qkv = noise_there<T>(exec, Shape<2>{rows, 3 * width});
  Matrix<T, Memory> wide({rows, 3 * width});
  Matrix<T, Memory> inside({rows, hidden});
  Matrix<T, Memory> y({rows, width});
  Matrix<float, Memory> sums({rows, width});
  Matrix<float, Memory> log_sums({rows, heads});
  Vector<float, Memory> columns_of_sums({width});
  Matrix<float, Memory> dw({width, width});
  auto const time = [&](auto const& work) { return seconds(exec.system.stream, 15, work); };

  auto const to_qkv = random_linear(exec, width, 3 * width);
  auto const to_inside = random_linear(exec, width, hidden);
  auto const to_stream = random_linear(exec, hidden, width);
  report_kernel("product 768 -> 2304", scalar, time([&] { to_qkv.forward(exec, RowsView<T const>(x.view()), RowsView<T>(wide.view())); }), 6 * elements * width, size * 4 * elements);
  report_kernel("product 768 -> 3072, gelu", scalar, time([&] { to_inside.forward(exec, RowsView<T const>(x.view()), RowsView<T>(inside.view()), {.activation = kernels::Activation::gelu}); }),
                8 * elements * width, size * 5 * elements);
  report_kernel("product 3072 -> 768, added", scalar, time([&] { to_stream.forward(exec, RowsView<T const>(inside.view()), RowsView<float>(sums.view()), {.accumulate = true}); }),
                8 * elements * width, (4 * size + 8) * elements);
  report_kernel("layer_norm", scalar, time([&] { kernels::layer_norm(exec, stream.view(), gain.view(), gain.view(), 1e-6, y.view()); }), 8 * elements, (4 + size) * elements);
  kernels::AttentionShape const shape{.batch = batch, .heads = heads};
  RowsView<T const> const q = columns(qkv.view(), 0, width);
  RowsView<T const> const k = columns(qkv.view(), width, width);
  RowsView<T const> const v = columns(qkv.view(), 2 * width, width);
  report_kernel("attention", scalar, time([&] { kernels::attention(exec, q, k, v, shape, {}, RowsView<T>(y.view())); }), 4 * elements * tokens, size * 4 * elements);
  report_kernel("attention_with_log_sums", scalar, time([&] { kernels::attention_with_log_sums(exec, q, k, v, shape, {}, y.view(), log_sums.view()); }), 4 * elements * tokens, size * 4 * elements);
  report_kernel("attention_backward", scalar, time([&] {
                  kernels::attention_backward(exec, q, k, v, shape, {}, y.view(), log_sums.view(), dy.view(), columns(wide.view(), 0, width), columns(wide.view(), width, width),
                                              columns(wide.view(), 2 * width, width), {});
                }),
                10 * elements * tokens, size * 8 * elements);
  report_kernel("weight_gradient 768 x 768", scalar, time([&] { kernels::weight_gradient(exec, RowsView<T const>(dy.view()), RowsView<T const>(x.view()), dw.view()); }), 2 * elements * width,
                size * 2 * elements);
  report_kernel("layer_norm_backward", scalar, time([&] { kernels::layer_norm_backward(exec, stream.view(), gain.view(), 1e-6, dy.view(), sums.view()); }), 14 * elements, (12 + size) * elements);
  report_kernel("layer_norm_parameter_gradients", scalar, time([&] { kernels::layer_norm_parameter_gradients(exec, stream.view(), 1e-6, dy.view(), columns_of_sums.view(), columns_of_sums.view()); }),
                6 * elements, (4 + size) * elements);
  report_kernel("activate_backward", scalar, time([&] { kernels::activate_backward(exec, kernels::Activation::gelu, RowsView<T const>(x.view()), RowsView<T>(y.view())); }), 20 * elements,
                size * 3 * elements);
  report_kernel("column_sums", scalar, time([&] { kernels::column_sums(exec, x.view(), columns_of_sums.view()); }), elements, size * elements);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (!CudaSystem::available()) {
      std::printf("no CUDA device\n");
      return 0;
    }
    std::vector<Index> batches;
    for (int i = 1; i < argc; ++i) { batches.push_back(std::atoll(argv[i])); }
    if (batches.empty()) { batches = {64, 256}; }
    cudaDeviceProp properties;
    device::check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    std::printf("%s\n", properties.name);
    cudaStream_t stream = nullptr;
    device::check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");
    VitShape const base;
    VitShape tiny;
    tiny.width = 192;
    tiny.heads = 3;
    tiny.hidden = 768;
    for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
      Exec const exec{.precision = precision, .system = {.stream = stream}};
      report_network(exec, "ViT-B/16", base, batches);
      report_network(exec, "ViT-Ti/16", tiny, batches);
      if (precision == Precision::float32) {
        report_kernels<float>(exec, batches.front());
      } else {
        report_kernels<bfloat16>(exec, batches.front());
      }
    }
    device::check_cuda(cudaStreamDestroy(stream), "cudaStreamDestroy");
  } catch (std::exception const& error) {
    std::printf("accrete_bench_device: %s\n", error.what());
    return 1;
  }
}
