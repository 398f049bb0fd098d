#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/tokens.hpp>

#include <concepts>

namespace accrete::device {

template <class Y>
struct PatchElement {
  float const* images;
  Index channels;
  Index height;
  Index width;
  Index edge;
  Y* columns;

  ACCRETE_HD void operator()(Index element) const {
    Index const grid_height = height / edge;
    Index const grid_width = width / edge;
    Index const area = edge * edge;
    Index const column = element % (channels * area);
    Index const patch = element / (channels * area);
    Index const image = patch / (grid_height * grid_width);
    Index const y = patch / grid_width % grid_height * edge + column % area / edge;
    Index const x = patch % grid_width * edge + column % edge;
    columns[element] = converted<Y>(images[((image * channels + column / area) * height + y) * width + x]);
  }
};

template <class System, class Y>
  requires(std::same_as<Y, float> || std::same_as<Y, bfloat16>)
void patches_on(DeviceExecutor<System> const& exec, TensorView<float const, 4> images, Index edge, MatrixView<Y> columns) {
  for_each_index(exec, "patches", columns.size(), PatchElement<Y>{images.data(), images.extent(1), images.extent(2), images.extent(3), edge, columns.data()});
}

template <class T>
struct TokenElement {
  T const* patches;
  T const* prefix;
  T const* positions;
  Index prefix_rows;
  Index patch_rows;
  Index width;
  T* tokens;

  ACCRETE_HD void operator()(Index element) const {
    Index const column = element % width;
    Index const row = element / width % (prefix_rows + patch_rows);
    Index const sequence = element / width / (prefix_rows + patch_rows);
    Index const patch = row - prefix_rows;
    tokens[element] = patch < 0 ? prefix[row * width + column] : patches[(sequence * patch_rows + patch) * width + column] + positions[patch * width + column];
  }
};

template <class System, std::floating_point T>
void assemble_tokens_on(DeviceExecutor<System> const& exec, MatrixView<T const> patches, MatrixView<T const> prefix, MatrixView<T const> positions, TensorView<T, 3> tokens) {
  for_each_index(exec, "assemble_tokens", tokens.size(), TokenElement<T>{patches.data(), prefix.data(), positions.data(), prefix.extent(0), positions.extent(0), tokens.extent(2), tokens.data()});
}

template <class T>
struct InsertedElement {
  T const* tokens;
  T const* extra;
  Index token_rows;
  Index extra_rows;
  Index extra_step;  ///< extra rows from one sequence to the next: 0 when all share them
  Index at;
  Index width;
  T* longer;

  ACCRETE_HD void operator()(Index element) const {
    Index const column = element % width;
    Index const row = element / width % (token_rows + extra_rows);
    Index const sequence = element / width / (token_rows + extra_rows);
    bool const is_extra = row >= at && row < at + extra_rows;
    Index const from = is_extra ? sequence * extra_step + row - at : sequence * token_rows + (row < at ? row : row - extra_rows);
    longer[element] = (is_extra ? extra : tokens)[from * width + column];
  }
};

template <class System, std::floating_point T>
void insert_tokens_on(DeviceExecutor<System> const& exec, TensorView<T const, 3> tokens, TensorView<T const, 3> extra, Index at, TensorView<T, 3> longer) {
  Index const step = extra.extent(0) == 1 ? 0 : extra.extent(1);
  for_each_index(exec, "insert_tokens", longer.size(), InsertedElement<T>{tokens.data(), extra.data(), tokens.extent(1), extra.extent(1), step, at, longer.extent(2), longer.data()});
}

template <class T>
struct TakenElement {
  T const* tokens;
  Index token_rows;
  Index first;
  Index rows;
  Index width;
  T* part;

  ACCRETE_HD void operator()(Index element) const {
    Index const column = element % width;
    Index const row = element / width % rows;
    Index const sequence = element / width / rows;
    part[element] = tokens[(sequence * token_rows + first + row) * width + column];
  }
};

template <class System, std::floating_point T>
void take_tokens_on(DeviceExecutor<System> const& exec, TensorView<T const, 3> tokens, Index first, TensorView<T, 3> part) {
  for_each_index(exec, "take_tokens", part.size(), TakenElement<T>{tokens.data(), tokens.extent(1), first, part.extent(1), part.extent(2), part.data()});
}

template <class T>
struct OverwrittenElement {
  T const* extra;
  Index extra_rows;
  Index extra_step;  ///< extra rows from one sequence to the next: 0 when all share them
  Index at;
  Index token_rows;
  Index width;
  T* tokens;

  ACCRETE_HD void operator()(Index element) const {
    Index const column = element % width;
    Index const row = element / width % extra_rows;
    Index const sequence = element / width / extra_rows;
    tokens[(sequence * token_rows + at + row) * width + column] = extra[(sequence * extra_step + row) * width + column];
  }
};

template <class System, class T>
void overwrite_tokens_on(DeviceExecutor<System> const& exec, TensorView<T const, 3> extra, Index at, TensorView<T, 3> tokens) {
  Index const step = extra.extent(0) == 1 ? 0 : extra.extent(1);
  for_each_index(exec, "overwrite_tokens", tokens.extent(0) * extra.extent(1) * extra.extent(2),
                 OverwrittenElement<T>{extra.data(), extra.extent(1), step, at, tokens.extent(1), tokens.extent(2), tokens.data()});
}

template <class T>
struct MeanOfTokens {
  T const* tokens;
  Index rows;
  Index first;
  Index width;
  T* mean;

  ACCRETE_HD void operator()(Index element) const {
    T const* const column = tokens + (element / width * rows + first) * width + element % width;
    Index const stride = width;
    mean[element] = sum_of<T>(rows - first, [column, stride](Index row) { return column[row * stride]; }) / static_cast<T>(rows - first);
  }
};

template <class System, std::floating_point T>
void mean_tokens_on(DeviceExecutor<System> const& exec, TensorView<T const, 3> tokens, Index first, MatrixView<T> mean) {
  for_each_index(exec, "mean_tokens", mean.size(), MeanOfTokens<T>{tokens.data(), tokens.extent(1), first, tokens.extent(2), mean.data()});
}

template <class T>
struct KeptElement {
  T const* longer;
  Index longer_rows;
  Index removed_rows;
  Index at;
  Index width;
  T* shorter;

  ACCRETE_HD void operator()(Index element) const {
    Index const rows = longer_rows - removed_rows;
    Index const row = element / width % rows;
    Index const from = element / width / rows * longer_rows + (row < at ? row : row + removed_rows);
    shorter[element] = longer[from * width + element % width];
  }
};

template <class System, std::floating_point T>
void remove_tokens_on(DeviceExecutor<System> const& exec, TensorView<T const, 3> longer, Index at, TensorView<T, 3> shorter) {
  for_each_index(exec, "remove_tokens", shorter.size(), KeptElement<T>{longer.data(), longer.extent(1), longer.extent(1) - shorter.extent(1), at, shorter.extent(2), shorter.data()});
}

/// One column of one row, summed over the sequences.
template <class T>
struct SumOfTokens {
  T const* tokens;
  Index batch;
  Index step;  ///< elements from one sequence to the next
  T* sums;

  ACCRETE_HD void operator()(Index element) const {
    T const* const from = tokens + element;
    Index const stride = step;
    sums[element] += sum_of<T>(batch, [from, stride](Index sequence) { return from[sequence * stride]; });
  }
};

template <class System, std::floating_point T>
void sum_tokens_on(DeviceExecutor<System> const& exec, TensorView<T const, 3> tokens, Index first, MatrixView<T> sums) {
  for_each_index(exec, "sum_tokens", sums.size(), SumOfTokens<T>{tokens.data() + first * tokens.extent(2), tokens.extent(0), tokens.extent(1) * tokens.extent(2), sums.data()});
}

template <class T>
struct SpreadElement {
  T const* d_mean;
  Index first;
  Index rows;
  Index width;
  T* d_tokens;

  ACCRETE_HD void operator()(Index element) const {
    Index const column = element % width;
    Index const row = element / width % (rows - first);
    Index const sequence = element / width / (rows - first);
    d_tokens[(sequence * rows + first + row) * width + column] += d_mean[sequence * width + column] / static_cast<T>(rows - first);
  }
};

template <class System, std::floating_point T>
void spread_mean_tokens_on(DeviceExecutor<System> const& exec, MatrixView<T const> d_mean, Index first, TensorView<T, 3> d_tokens) {
  for_each_index(exec, "spread_mean_tokens", d_tokens.extent(0) * (d_tokens.extent(1) - first) * d_tokens.extent(2),
                 SpreadElement<T>{d_mean.data(), first, d_tokens.extent(1), d_tokens.extent(2), d_tokens.data()});
}

template <class From, class To>
struct ConvertedElement {
  From const* from;
  To* to;

  ACCRETE_HD void operator()(Index element) const { to[element] = converted<To>(from[element]); }
};

template <class From, class To>
concept ConvertibleScalars = (std::same_as<From, float> && (std::same_as<To, bfloat16> || std::same_as<To, double>)) ||
                             (std::same_as<To, float> && (std::same_as<From, bfloat16> || std::same_as<From, double>));

template <class System, class From, class To>
  requires ConvertibleScalars<From, To>
void convert_on(DeviceExecutor<System> const& exec, VectorView<From const> from, VectorView<To> to) {
  for_each_index(exec, "convert", from.size(), ConvertedElement<From, To>{from.data(), to.data()});
}

}  // namespace accrete::device
