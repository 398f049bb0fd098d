#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class Y>
concept RunsPatches = requires(Exec const& exec, TensorView<float const, 4> images, Index edge, MatrixView<Y> columns) {
  patches_on(exec, images, edge, columns);
};
template <class Exec, class T>
concept RunsTokens = requires(Exec const& exec, MatrixView<T const> rows, TensorView<T const, 3> from, TensorView<T, 3> to, Index at, MatrixView<T> pooled) {
  assemble_tokens_on(exec, rows, rows, rows, to);
  insert_tokens_on(exec, from, from, at, to);
  mean_tokens_on(exec, from, at, pooled);
};
template <class Exec, class T>
concept RunsOverwriting = requires(Exec const& exec, TensorView<T const, 3> from, TensorView<T, 3> to, Index at) {
  overwrite_tokens_on(exec, from, at, to);
};
template <class Exec, class T>
concept RunsTokenGradients = requires(Exec const& exec, TensorView<T const, 3> from, TensorView<T, 3> to, Index at, MatrixView<T const> rows, MatrixView<T> sums) {
  remove_tokens_on(exec, from, at, to);
  take_tokens_on(exec, from, at, to);
  sum_tokens_on(exec, from, at, sums);
  spread_mean_tokens_on(exec, rows, at, to);
};
template <class Exec, class From, class To>
concept RunsConvert = requires(Exec const& exec, VectorView<From const> from, VectorView<To> to) {
  convert_on(exec, from, to);
};

struct PatchesFn {
  template <class Exec, class Y>
  void operator()(Exec const& exec, TensorView<float const, 4> images, Index edge, MatrixView<Y> columns) const {
    static_assert(RunsPatches<Exec, Y>, "kernels::patches has no body for this executor and this scalar");
    expects(edge > 0, "patches", "the patch edge must be positive", edge);
    Index const grid = (images.extent(2) / edge) * (images.extent(3) / edge);
    expects(columns.extent(0) == images.extent(0) * grid && columns.extent(1) == images.extent(1) * edge * edge, "patches", "columns must be [B * patches, channels * edge * edge]", columns.extent(0),
            columns.extent(1), images.extent(0) * grid, images.extent(1) * edge * edge);
    patches_on(exec, images, edge, columns);
  }
};

struct AssembleTokensFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<MatrixView<T const>> patches, NonDeduced<MatrixView<T const>> prefix, NonDeduced<MatrixView<T const>> positions, TensorView<T, 3> tokens) const {
    static_assert(RunsTokens<Exec, T>, "kernels::assemble_tokens has no body for this executor and this scalar");
    expects(tokens.extent(1) == prefix.extent(0) + positions.extent(0), "assemble_tokens", "tokens must have the rows of prefix and positions", tokens.extent(1), prefix.extent(0),
            positions.extent(0));
    expects(patches.extent(0) == tokens.extent(0) * positions.extent(0), "assemble_tokens", "patches must be [B * positions, D]", patches.extent(0), tokens.extent(0), positions.extent(0));
    expects(patches.extent(1) == tokens.extent(2) && positions.extent(1) == tokens.extent(2) && (prefix.extent(0) == 0 || prefix.extent(1) == tokens.extent(2)), "assemble_tokens",
            "all must share the width", patches.extent(1), prefix.extent(1), positions.extent(1), tokens.extent(2));
    assemble_tokens_on(exec, patches, prefix, positions, tokens);
  }
};

struct InsertTokensFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<TensorView<T const, 3>> tokens, NonDeduced<TensorView<T const, 3>> extra, Index at, TensorView<T, 3> longer) const {
    static_assert(RunsTokens<Exec, T>, "kernels::insert_tokens has no body for this executor and this scalar");
    expects(extra.extent(0) == 1 || extra.extent(0) == tokens.extent(0), "insert_tokens", "extra must be [1 or B, L, D]", extra.extent(0), tokens.extent(0));
    expects(at >= 0 && at <= tokens.extent(1), "insert_tokens", "the place must lie inside the sequence", at, tokens.extent(1));
    expects(longer.shape() == Shape<3>({tokens.extent(0), tokens.extent(1) + extra.extent(1), tokens.extent(2)}) && extra.extent(2) == tokens.extent(2), "insert_tokens",
            "the result must be [B, T + L, D]", longer.extent(0), longer.extent(1), longer.extent(2));
    insert_tokens_on(exec, tokens, extra, at, longer);
  }
};

struct OverwriteTokensFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<TensorView<T const, 3>> extra, Index at, TensorView<T, 3> tokens) const {
    static_assert(RunsOverwriting<Exec, T>, "kernels::overwrite_tokens has no body for this executor and this scalar");
    expects(extra.extent(0) == 1 || extra.extent(0) == tokens.extent(0), "overwrite_tokens", "extra must be [1 or B, L, D]", extra.extent(0), tokens.extent(0));
    expects(at >= 0 && at + extra.extent(1) <= tokens.extent(1) && extra.extent(2) == tokens.extent(2), "overwrite_tokens", "extra must lie inside the sequence", at, extra.extent(1),
            tokens.extent(1));
    overwrite_tokens_on(exec, extra, at, tokens);
  }
};

struct MeanTokensFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<TensorView<T const, 3>> tokens, Index first, MatrixView<T> mean) const {
    static_assert(RunsTokens<Exec, T>, "kernels::mean_tokens has no body for this executor and this scalar");
    expects(first >= 0 && first < tokens.extent(1), "mean_tokens", "the first row must lie inside the sequence", first, tokens.extent(1));
    expects(mean.extent(0) == tokens.extent(0) && mean.extent(1) == tokens.extent(2), "mean_tokens", "the result must be [B, D]", mean.extent(0), mean.extent(1));
    mean_tokens_on(exec, tokens, first, mean);
  }
};

struct RemoveTokensFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<TensorView<T const, 3>> longer, Index at, TensorView<T, 3> shorter) const {
    static_assert(RunsTokenGradients<Exec, T>, "kernels::remove_tokens has no body for this executor and this scalar");
    expects(longer.extent(0) == shorter.extent(0) && longer.extent(1) >= shorter.extent(1) && longer.extent(2) == shorter.extent(2), "remove_tokens", "the result must be [B, T, D] of [B, T + L, D]",
            longer.extent(0), longer.extent(1), longer.extent(2), shorter.extent(0), shorter.extent(1), shorter.extent(2));
    expects(at >= 0 && at <= shorter.extent(1), "remove_tokens", "the place must lie inside the sequence", at, shorter.extent(1));
    remove_tokens_on(exec, longer, at, shorter);
  }
};

struct TakeTokensFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<TensorView<T const, 3>> tokens, Index first, TensorView<T, 3> part) const {
    static_assert(RunsTokenGradients<Exec, T>, "kernels::take_tokens has no body for this executor and this scalar");
    expects(first >= 0 && first + part.extent(1) <= tokens.extent(1), "take_tokens", "the rows must lie inside the sequence", first, part.extent(1), tokens.extent(1));
    expects(tokens.extent(0) == part.extent(0) && tokens.extent(2) == part.extent(2), "take_tokens", "both must have one batch and width", tokens.extent(0), part.extent(0), tokens.extent(2),
            part.extent(2));
    take_tokens_on(exec, tokens, first, part);
  }
};

struct SumTokensFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<TensorView<T const, 3>> tokens, Index first, MatrixView<T> sums) const {
    static_assert(RunsTokenGradients<Exec, T>, "kernels::sum_tokens has no body for this executor and this scalar");
    expects(first >= 0 && first + sums.extent(0) <= tokens.extent(1) && sums.extent(1) == tokens.extent(2), "sum_tokens", "the rows [L, D] must lie inside the sequence", first, sums.extent(0),
            sums.extent(1), tokens.extent(1), tokens.extent(2));
    sum_tokens_on(exec, tokens, first, sums);
  }
};

struct SpreadMeanTokensFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<MatrixView<T const>> d_mean, Index first, TensorView<T, 3> d_tokens) const {
    static_assert(RunsTokenGradients<Exec, T>, "kernels::spread_mean_tokens has no body for this executor and this scalar");
    expects(first >= 0 && first < d_tokens.extent(1), "spread_mean_tokens", "the first row must lie inside the sequence", first, d_tokens.extent(1));
    expects(d_mean.extent(0) == d_tokens.extent(0) && d_mean.extent(1) == d_tokens.extent(2), "spread_mean_tokens", "the gradient of the mean must be [B, D]", d_mean.extent(0), d_mean.extent(1));
    spread_mean_tokens_on(exec, d_mean, first, d_tokens);
  }
};

struct ConvertFn {
  template <class Exec, class From, class To>
  void operator()(Exec const& exec, VectorView<From> from, VectorView<To> to) const {
    using Scalar = std::remove_const_t<From>;
    static_assert(RunsConvert<Exec, Scalar, To>, "kernels::convert has no body for this executor and these scalars");
    expects(from.extent(0) == to.extent(0), "convert", "both must have one length", from.extent(0), to.extent(0));
    convert_on(exec, VectorView<Scalar const>(from), to);
  }
};
}  // namespace detail

/// Cuts images into patches: row (b, gy, gx) holds column c * edge^2 + dy * edge + dx. Pixels beyond the last whole patch are left out.
/// @param[in] images [B, channels, H, W];  @param[out] columns [B * (H / edge) * (W / edge), channels * edge^2] float or bfloat16
inline constexpr detail::PatchesFn patches{};

/// tokens_b = [prefix; patches_b + positions].
/// @param[in] patches [B * G, D];  @param[in] prefix [P, D], their positions already added;  @param[in] positions [G, D];  @param[out] tokens [B, P + G, D]
inline constexpr detail::AssembleTokensFn assemble_tokens{};

/// longer_b = [tokens_b(0 .. at), extra_b, tokens_b(at ..)].
/// @param[in] tokens [B, T, D];  @param[in] extra [1 or B, L, D];  @param[out] longer [B, T + L, D]
inline constexpr detail::InsertTokensFn insert_tokens{};

/// tokens_b(at .. at + L) = extra_b.
/// @param[in] extra [1 or B, L, D];  @param[in,out] tokens [B, T, D]
inline constexpr detail::OverwriteTokensFn overwrite_tokens{};

/// The mean of the rows from `first` on, per sequence.
/// @param[in] tokens [B, T, D];  @param[out] mean [B, D]
inline constexpr detail::MeanTokensFn mean_tokens{};

/// shorter_b = [longer_b(0 .. at), longer_b(at + L ..)]: undoes `insert_tokens`.
/// @param[in] longer [B, T + L, D] float or double;  @param[out] shorter [B, T, D]
inline constexpr detail::RemoveTokensFn remove_tokens{};

/// part_b = tokens_b(first .. first + L).
/// @param[in] tokens [B, T, D] float or double;  @param[out] part [B, L, D]
inline constexpr detail::TakeTokensFn take_tokens{};

/// sums_i += sum over b of tokens_b(first + i), b in ascending order: the gradient of rows that all sequences share.
/// @param[in] tokens [B, T, D] float or double;  @param[in,out] sums [L, D]
inline constexpr detail::SumTokensFn sum_tokens{};

/// d_tokens_b(t) += d_mean_b / (T - first) for t >= first: the backward pass of `mean_tokens`.
/// @param[in] d_mean [B, D] float or double;  @param[in,out] d_tokens [B, T, D]
inline constexpr detail::SpreadMeanTokensFn spread_mean_tokens{};

/// Each element in the other scalar, rounded to nearest even. Pairs: float <-> bfloat16, float <-> double.
inline constexpr detail::ConvertFn convert{};

}  // namespace accrete::kernels
