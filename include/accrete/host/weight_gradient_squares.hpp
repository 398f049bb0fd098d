#pragma once

#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/host/threads.hpp>
#include <accrete/host/tile_product.hpp>
#include <accrete/host/weight_gradient.hpp>
#include <accrete/kernels/weight_gradient_squares.hpp>

#include <algorithm>
#include <cstddef>

namespace accrete::host {
namespace detail {
/// Rows of dy and x that are packed together: whole samples, as many as leave their panels in the second-level cache.
inline constexpr Index squares_depth = 512;

struct SquaredRows;

/// The panels of dy and x over a few samples, sample after sample, and the blocks of squared gradients they make.
/// @tparam T  scalar of dy and x
template <class T>
class SquaresChunk {
  using Element = TileElement<T>;
  using S = SumScalar<T>;

 public:
  static constexpr Index down = GradientChunk<T>::down;
  static constexpr Index across = GradientChunk<T>::across;
  static constexpr Index item_down = GradientChunk<T>::item_down;
  static constexpr Index item_across = GradientChunk<T>::item_across;

  /// @param rows  of one sample
  SquaresChunk(Index outputs, Index inputs, Index samples, Index rows)
      : outputs_(outputs),
        inputs_(inputs),
        samples_(samples),
        rows_(rows),
        depth_(in_pairs<Element> ? (rows + 1) / 2 : rows),
        panels_down_((outputs + down - 1) / down),
        panels_across_((inputs + across - 1) / across),
        dy_(ThreadScratch<GradientPanels>::get<Element>(samples * depth_ * (panels_down_ * down + panels_across_ * across))),
        x_(dy_ + samples * depth_ * panels_down_ * down) {}

  void pack(int threads, RowsView<T const> dy, RowsView<T const> x) {
    Index const groups = (panels_down_ + item_down - 1) / item_down;
    share_out(threads, samples_ * (groups + panels_across_), [&](Index item) {
      Index const b = item / (groups + panels_across_);
      Index const part = item % (groups + panels_across_);
      auto const own = [&](RowsView<T const> all) { return RowsView<T const>(all.row(b * rows_), rows_, all.width, all.stride); };
      if (part >= groups) { return pack_columns<across>(own(x), (part - groups) * across, right(b, part - groups)); }
      for (Index p = part * item_down; p < std::min(panels_down_, (part + 1) * item_down); ++p) { pack_columns<down>(own(dy), p * down, left(b, p)); }
    });
  }

  /// A block of the result stays in the first-level cache while the samples pass by.
  void add_to(int threads, MatrixView<S> squares) const {
    Index const items_down = (panels_down_ + item_down - 1) / item_down;
    Index const items_across = (panels_across_ + item_across - 1) / item_across;
    share_out(threads, items_down * items_across, [&](Index item) {
      Index const first = item / items_across * item_down;
      Index const last = std::min(panels_down_, first + item_down);
      for (Index q = item % items_across * item_across; q < std::min(panels_across_, (item % items_across + 1) * item_across); ++q) {
        for (Index b = 0; b < samples_; ++b) {
          for (Index p = first; p < last; ++p) { add_block(b, p, q, squares); }
        }
      }
    });
  }

 private:
  [[nodiscard]] Element* left(Index b, Index p) const { return dy_ + (b * panels_down_ + p) * depth_ * down; }
  [[nodiscard]] Element* right(Index b, Index q) const { return x_ + (b * panels_across_ + q) * depth_ * across; }

  void add_block(Index b, Index p, Index q, MatrixView<S> squares) const {
    S* const place = squares.data() + p * down * inputs_ + q * across;
    Index const real_down = std::min(down, outputs_ - p * down);
    Index const real_across = std::min(across, inputs_ - q * across);
    if (real_across == across) { return multiply_panel<Element, TileLeft::columns, TileResult::add_square>(real_down, tile_vectors, {left(b, p), down, right(b, q), across, depth_, place, inputs_}); }
    S block[static_cast<std::size_t>(down * across)];
    multiply_panel<Element, TileLeft::columns>(real_down, tile_vectors, {left(b, p), down, right(b, q), across, depth_, block, across});
    for (Index i = 0; i < real_down; ++i) {
      for (Index j = 0; j < real_across; ++j) { place[i * inputs_ + j] += block[i * across + j] * block[i * across + j]; }
    }
  }

  Index outputs_;
  Index inputs_;
  Index samples_;
  Index rows_;   // of a sample
  Index depth_;  // elements of a sample that are summed over
  Index panels_down_;
  Index panels_across_;
  Element* dy_;
  Element* x_;
};

/// The squares of some rows, in the scalar of sums.
template <class S, class T>
void square_rows(int threads, RowsView<T const> from, S* to) {
  parallel_ranges(threads, from.rows, from.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      for_vectors<S>(from.width, [&](Index c, auto lanes) {
        auto const value = lanes.load(from.row(i) + c);
        lanes.store(to + i * from.width + c, value * value);
      });
    }
  });
}
}  // namespace detail

/// Samples of one row have (dy x)^2 = dy^2 x^2 for a gradient, so theirs is a product of squares. Longer ones go in chunks of some samples: their columns are copied to where register
/// tiles want them, each element of a sample's gradient is one chain of fused additions, and its square is added to the result in ascending order of the samples.
template <class Products, class T>
void weight_gradient_squares_on(HostExecutor<Products> const& exec, RowsView<T const> dy, RowsView<T const> x, Index samples, MatrixView<SumScalar<T>> squares) {
  using S = SumScalar<T>;
  Index const rows = dy.rows / samples;
  if (rows == 1) {
    S* const squared = ThreadScratch<detail::SquaredRows>::get<S>(samples * (dy.width + x.width));
    RowsView<S> const dy_squared(squared, samples, dy.width, dy.width);
    RowsView<S> const x_squared(squared + samples * dy.width, samples, x.width, x.width);
    detail::square_rows(exec.thread_count(), dy, dy_squared.data);
    detail::square_rows(exec.thread_count(), x, x_squared.data);
    return weight_gradient_on(exec, RowsView<S const>(dy_squared), RowsView<S const>(x_squared), squares);
  }
  constexpr Index worth_threads = Index{1} << 17;
  Index const together = std::max<Index>(1, detail::squares_depth / rows);
  for (Index first = 0; first < samples; first += together) {
    Index const count = std::min(together, samples - first);
    int const threads = count * rows * squares.size() < worth_threads ? 1 : exec.thread_count();
    detail::SquaresChunk<T> chunk(dy.width, x.width, count, rows);
    auto const own = [&](RowsView<T const> all) { return RowsView<T const>(all.row(first * rows), count * rows, all.width, all.stride); };
    chunk.pack(threads, own(dy), own(x));
    chunk.add_to(threads, squares);
  }
}

}  // namespace accrete::host
