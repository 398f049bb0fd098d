#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/micro_kernel.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/kernels/symmetric_band.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

namespace accrete::host {

/// Householder QR of a panel [rows, 48]: A = (I - V T V^T) [R; 0].
/// One pass over the panel per column: taking the last reflector off a row and adding the row to the next column's inner products happen together.
class PanelQr {
 public:
  static constexpr Index width = kernels::SymmetricBand::width;

  /// @param[in,out] a  [rows, 48] row-major with rows >= 48, becomes V with its unit diagonal;  @param[out] r  R in a block of a symmetric
  ///                   matrix: element (i, c) at c * 48 + i, zero below the diagonal
  /// @returns T [48, 48], upper triangular
  [[nodiscard]] static Matrix<double> factor(Matrix<double>& a, double* r) {
    PanelQr qr(a);
    for (Index c = 0; c < width; ++c) { qr.reflect(c); }
    qr.store_column(width - 1);
    for (Index c = 0; c < width; ++c) {
      for (Index i = 0; i < width; ++i) {
        r[c * width + i] = i <= c ? a(i, c) : 0.0;
        if (i <= c) { a(i, c) = i == c ? 1.0 : 0.0; }
      }
    }
    return qr.triangle();
  }

 private:
  static constexpr int vectors = 6;
  static constexpr Index lanes = simd::lanes<double>;
  static constexpr Index chunk = vectors * lanes;
  static_assert(width % chunk == 0);

  explicit PanelQr(Matrix<double>& a) : a_(a), rows_(a.extent(0)), column_(static_cast<std::size_t>(rows_), 0.0), next_(static_cast<std::size_t>(rows_), 0.0) {}

  /// Finds reflector c, after the reflectors before it have been taken off column c, and prepares what it takes off the columns behind.
  void reflect(Index c) {
    if (c > 0) { store_column(c - 1); }
    alignas(64) std::array<double, static_cast<std::size_t>(width)> products{};
    for (Index first = c / chunk * chunk; first < width; first += chunk) { sweep(c, first, products.data() + first); }
    column_.swap(next_);
    double const tail = products[static_cast<std::size_t>(c)];
    taken_.fill(0.0);
    tau_[static_cast<std::size_t>(c)] = 0.0;
    if (!(tail > 0.0)) { return; }
    double const head = a_(c, c);
    double const length = -std::copysign(std::sqrt(head * head + tail), head);
    double const tau = (length - head) / length;
    double const scale = 1.0 / (head - length);
    for (Index i = c + 1; i < rows_; ++i) { column_[static_cast<std::size_t>(i)] *= scale; }
    for (Index d = c + 1; d < width; ++d) {
      double const w = tau * (a_(c, d) + scale * products[static_cast<std::size_t>(d)]);
      taken_[static_cast<std::size_t>(d)] = w;
      a_(c, d) -= w;
    }
    a_(c, c) = length;
    tau_[static_cast<std::size_t>(c)] = tau;
  }

  /// Columns [first, first + chunk) of the rows from c on: takes the last reflector off, and adds row i times its element c to the products, i > c.
  void sweep(Index c, Index first, double* products) {
    simd::Vec<double> sum[vectors] = {};
    simd::Vec<double> taken[vectors];
    ACCRETE_UNROLL
    for (int v = 0; v < vectors; ++v) { taken[v] = simd::load(taken_.data() + first + v * lanes); }
    bool const has_column = c >= first && c < first + chunk;
    for (Index i = c; i < rows_; ++i) {
      double* const row = a_.data() + i * width + first;
      auto const factor = simd::broadcast(-column_[static_cast<std::size_t>(i)]);
      simd::Vec<double> part[vectors];
      ACCRETE_UNROLL
      for (int v = 0; v < vectors; ++v) {
        part[v] = simd::multiply_add(factor, taken[v], simd::load(row + v * lanes));
        simd::store(row + v * lanes, part[v]);
      }
      if (has_column) { next_[static_cast<std::size_t>(i)] = row[c - first]; }
      if (i == c) { continue; }
      auto const weight = simd::broadcast(next_[static_cast<std::size_t>(i)]);
      ACCRETE_UNROLL
      for (int v = 0; v < vectors; ++v) { sum[v] = simd::multiply_add(weight, part[v], sum[v]); }
    }
    ACCRETE_UNROLL
    for (int v = 0; v < vectors; ++v) { simd::store(products + v * lanes, sum[v]); }
  }

  /// The tail of a reflector that was kept apart goes into its column.
  void store_column(Index c) {
    for (Index i = c + 1; i < rows_; ++i) { a_(i, c) = column_[static_cast<std::size_t>(i)]; }
  }

  /// T, column by column: T(0..c, c) = -tau_c T (V^T v_c).
  [[nodiscard]] Matrix<double> triangle() const {
    auto overlap = Matrix<double>::zeros({width, width});
    micro::multiply<double, 1>(width, width, rows_, 1.0, {a_.data(), width}, {a_.data(), width}, overlap.data(), width);
    auto t = Matrix<double>::zeros({width, width});
    for (Index c = 0; c < width; ++c) {
      double const tau = tau_[static_cast<std::size_t>(c)];
      for (Index i = 0; i < c; ++i) {
        double sum = 0.0;
        for (Index d = i; d < c; ++d) { sum += t(i, d) * overlap(d, c); }
        t(i, c) = -tau * sum;
      }
      t(c, c) = tau;
    }
    return t;
  }

  Matrix<double>& a_;
  Index rows_;
  std::vector<double> column_;                                               // tail of the last reflector, not yet in the panel
  std::vector<double> next_;                                                 // the next column as it stands after the last reflector
  alignas(64) std::array<double, static_cast<std::size_t>(width)> taken_{};  // what the last reflector takes off a row, per unit of its element
  std::array<double, static_cast<std::size_t>(width)> tau_{};
};

}  // namespace accrete::host
