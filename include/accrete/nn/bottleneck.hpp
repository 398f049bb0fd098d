#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/column_sums.hpp>
#include <accrete/kernels/product.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/linear.hpp>

#include <algorithm>
#include <string_view>
#include <type_traits>
#include <utility>

namespace accrete::nn {

/// Where a bottleneck reads: `parallel` takes the MLP's residual input, not normed; `sequential` what the MLP gives.
enum class BottleneckPlace { parallel, sequential };

[[nodiscard]] constexpr std::string_view name_of(BottleneckPlace place) { return place == BottleneckPlace::parallel ? "parallel" : "sequential"; }

/// What a bottleneck computes beside its weights.
struct BottleneckForm {
  BottleneckPlace place = BottleneckPlace::parallel;
  double scale = 0.1;
  double dropout = 0.1;  ///< of the units in the middle, while learning
  kernels::Activation activation = kernels::Activation::relu;
};

/// A bottleneck at rest: x += s (act(z A^T + a) U^T + c), the scale folded into its second layer.
template <class Exec>
class Bottleneck {
 public:
  using Scratch = ScratchPool<typename Exec::Memory>;

  Bottleneck() = default;
  /// @param down [D -> r];  @param up [r -> D], the scale already folded in
  Bottleneck(Exec const& exec, Linear<Exec> down, Linear<Exec> up, BottleneckForm const& form) : down_(std::move(down)), up_(std::move(up)), form_(form), ones_({down_.inputs()}) {
    Vector<float> ones(ones_.shape());
    std::fill(ones.begin(), ones.end(), 1.0F);
    kernels::upload(exec, ones.cview(), ones_.view());
    exec.wait();  // `ones` must live until it is uploaded
  }

  [[nodiscard]] explicit operator bool() const { return down_.outputs() > 0; }
  [[nodiscard]] BottleneckPlace place() const { return form_.place; }
  [[nodiscard]] Index middle() const { return down_.outputs(); }

  /// @param[in] z [rows, D];  @param[out] units [rows, r]
  template <class T>
  void read(Exec const& exec, MatrixView<T> z, MatrixView<T> units) const {
    down_.forward(exec, RowsView<T>(z), RowsView<T>(units), {.activation = form_.activation});
  }

  /// The same from the residual stream, rounded to the scalar of the trunk.
  template <class T>
  void read_stream(Exec const& exec, RowsView<float> x, MatrixView<T> units, Scratch const& scratch) const {
    if constexpr (std::is_same_v<T, float>) {
      static_cast<void>(scratch);
      down_.forward(exec, x, RowsView<float>(units), {.activation = form_.activation});
    } else {
      auto const narrow = scratch.template lease<T>(Shape<2>{x.rows, x.width});
      kernels::scale_columns(exec, RowsView<float const>(x), ones_.view(), VectorView<float const>(), RowsView<T>(narrow.view()), false);
      read(exec, narrow.view(), units);
    }
  }

  /// x += z.
  template <class T>
  void pass(Exec const& exec, MatrixView<T> z, RowsView<float> x) const {
    kernels::scale_columns(exec, RowsView<T const>(z), ones_.view(), VectorView<float const>(), x, true);
  }

  /// x += what the units give.
  template <class T>
  void add(Exec const& exec, MatrixView<T> units, RowsView<float> x) const {
    up_.forward(exec, RowsView<T>(units), x, {.accumulate = true});
  }

 private:
  Linear<Exec> down_;
  Linear<Exec> up_;
  BottleneckForm form_;
  Vector<float, typename Exec::Memory> ones_;
};

}  // namespace accrete::nn
