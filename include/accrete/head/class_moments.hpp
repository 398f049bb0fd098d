#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/kernels/rank_k_update.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// What is kept of the second moments of a class: all of them, or each coordinate's own.
enum class SecondMoment { full, diagonal };

/// Per class the number n of its rows, their mean and their centred second moment M2 = sum of (x - mean)(x - mean)^T, in float64.
/// Row by row with the running mean: d = x - mean_n;  mean += d / (n + 1);  M2 += n / (n + 1) d d^T. The outer product is kept as the row sqrt(n / (n + 1)) d
/// until L of them are there, and is then added to a triangle. So a class with n - 1 < L rows is held as its exact factor R [n - 1, L], M2 = R^T R,
/// without a decomposition, and bits depend on the order of a class's rows alone: neither on batches nor on other classes.
/// Moments of shards are merged exactly up to rounding.
/// @source Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979
class ClassMoments {
 public:
  explicit ClassMoments(SecondMoment kind = SecondMoment::full) : kind_(kind) {}

  [[nodiscard]] SecondMoment kind() const { return kind_; }
  [[nodiscard]] Index classes() const { return static_cast<Index>(of_.size()); }
  /// Width L of the rows; 0 before the first.
  [[nodiscard]] Index width() const { return width_; }
  /// Rows of a class.
  [[nodiscard]] Index count(Index column) const { return at(column).count; }
  /// [L], zero for a class without a row.
  [[nodiscard]] VectorView<double const> mean(Index column) const { return {at(column).mean.data(), {width_}}; }

  /// Makes room for `classes` classes; fewer than there are changes nothing.
  void admit(Index classes) {
    while (this->classes() < classes) { of_.push_back(empty()); }
  }

  /// Drops a class; the ones behind it move up by one.
  /// @throws ShapeError  for a column without a class
  void forget(Index column) {
    static_cast<void>(at(column));
    of_.erase(of_.begin() + column);
    if (of_.empty()) { width_ = 0; }
  }

  /// Adds labelled rows. @param[in] rows [n, L] float or double, host memory;  @param[in] columns [n] class of each
  /// @throws ShapeError, ValueError  as detail::check_labelled says; nothing is changed then.   Cost: n * L, and n * L^2 flop where triangles are kept
  template <class Exec, class T>
  void add(Exec const& exec, MatrixView<T> rows, std::span<Index const> columns) {
    detail::check_labelled<std::remove_const_t<T>>("ClassMoments::add", rows, columns, classes(), width_);
    set_width(rows.extent(1));
    for (std::size_t i = 0; i < columns.size(); ++i) {
      Moments& moments = of_[static_cast<std::size_t>(columns[i])];
      add_row(moments, rows.data() + static_cast<Index>(i) * width_);
      if (stored_rows(moments) >= width_) { fold(exec, moments); }
    }
  }

  /// Adds what other moments have seen: with d = mean_b - mean_a and n = n_a + n_b,
  ///   mean += d n_b / n,  M2 = M2_a + M2_b + d d^T n_a n_b / n
  /// @param[in] columns [other's C] which class each class of `other` is; they must be admitted
  /// @throws ShapeError  when columns, widths or kinds do not fit; nothing is changed then
  void merge(ClassMoments const& other, std::span<Index const> columns) {
    detail::check_merge("ClassMoments::merge", columns, other.classes(), classes());
    if (other.width_ == 0) { return; }
    expects(kind_ == other.kind_, "ClassMoments::merge", "both must keep the same second moments");
    expects(width_ == 0 || width_ == other.width_, "ClassMoments::merge", "both must have rows of one width", width_, other.width_);
    set_width(other.width_);
    for (std::size_t j = 0; j < other.of_.size(); ++j) { unite(of_[static_cast<std::size_t>(columns[j])], other.of_[j]); }
  }

  /// Adds what waits as rows to the triangles of the classes that have one: less memory, before a file is written or covariances are asked for.
  template <class Exec>
  void settle(Exec const& exec) {
    for (Moments& moments : of_) {
      if (stored_rows(moments) >= width_ || (moments.triangle.order() > 0 && !moments.rows.empty())) { fold(exec, moments); }
    }
  }

  /// Whether a class is held as the factor of its second moment alone, fewer than L rows.
  [[nodiscard]] bool is_low_rank(Index column) const {
    Moments const& moments = at(column);
    return kind_ == SecondMoment::full && moments.triangle.order() == 0 && stored_rows(moments) < width_;
  }
  /// R [r, L] of a class of low rank: M2 = R^T R.
  [[nodiscard]] MatrixView<double const> factor(Index column) const {
    Moments const& moments = at(column);
    return {moments.rows.data(), {stored_rows(moments), width_}};
  }

  /// The unbiased covariance M2 / (n - 1) [L, L]; zero for fewer than two rows.
  /// @throws ValueError  when only diagonals are kept.   Cost: r * L^2 flop for the r rows that are kept as such
  template <class Exec>
  [[nodiscard]] SymmetricMatrix<double> covariance(Exec const& exec, Index column) const {
    Moments const& moments = at(column);
    if (kind_ == SecondMoment::diagonal) { fail<ValueError>("ClassMoments::covariance", "only the diagonals were kept"); }
    SymmetricMatrix<double> result = moments.triangle.order() > 0 ? moments.triangle : SymmetricMatrix<double>(width_);
    kernels::rank_k_update(exec, 1.0, factor(column), result.view());
    for (double& x : result.storage()) { x *= unbiased(moments); }
    return result;
  }

  /// The unbiased variances [L], the diagonal of the covariance.
  [[nodiscard]] Vector<double> variances(Index column) const {
    Moments const& moments = at(column);
    auto result = Vector<double>::zeros({width_});
    for (Index j = 0; j < width_; ++j) {
      if (kind_ == SecondMoment::diagonal) { result(j) = moments.diagonal[static_cast<std::size_t>(j)]; }
      if (moments.triangle.order() > 0) { result(j) = moments.triangle(j, j); }
      for (Index i = 0; i < stored_rows(moments); ++i) { result(j) += factor(column)(i, j) * factor(column)(i, j); }
      result(j) *= unbiased(moments);
    }
    return result;
  }

  /// Settings `width`, `kind`; tensors `counts` [C], `means` [C, L]; per class c `diagonal.c` [L], or `rows.c` [r L] and `triangle.c` in tiles.
  template <class Writer>
  void write(Writer const& writer) const {
    Vector<Index> counts({classes()});
    Matrix<double> means({classes(), width_});
    writer.setting("width", width_);
    writer.setting("diagonal", kind_ == SecondMoment::diagonal);
    writer.setting("tile_edge", TriangleTiles::edge);
    writer.setting("tile_panel", TriangleTiles::panel);
    for (Index c = 0; c < classes(); ++c) {
      Moments const& moments = at(c);
      counts(c) = moments.count;
      std::copy(moments.mean.begin(), moments.mean.end(), means[c].begin());
      if (!moments.diagonal.empty()) { writer.tensor(message("diagonal.", c), view_of(moments.diagonal)); }
      if (!moments.rows.empty()) { writer.tensor(message("rows.", c), view_of(moments.rows)); }
      if (moments.triangle.order() > 0) { writer.tensor(message("triangle.", c), moments.triangle.storage()); }
    }
    writer.tensor("counts", std::move(counts));
    writer.tensor("means", std::move(means));
  }

  /// @throws FileError  when something is missing or of another shape
  template <class Reader>
  [[nodiscard]] static ClassMoments read(Reader const& reader) {
    auto const file = reader.path().string();
    ClassMoments fresh(reader.template setting<bool>("diagonal") ? SecondMoment::diagonal : SecondMoment::full);
    auto const width = reader.template setting<Index>("width");
    if (width < 0 || reader.template setting<Index>("tile_edge") != TriangleTiles::edge || reader.template setting<Index>("tile_panel") != TriangleTiles::panel) {
      fail<FileError>(file, "holds second moments in tiles of another size, or of a negative width");
    }
    auto const counts = reader.template tensor<Index, 1>("counts");
    detail::check_counts(file, {counts.data(), static_cast<std::size_t>(counts.size())});
    auto const means = reader.template tensor<double, 2>("means", Shape<2>{counts.size(), width});
    fresh.set_width(width);
    fresh.admit(counts.size());
    for (Index c = 0; c < fresh.classes(); ++c) {
      Moments& moments = fresh.of_[static_cast<std::size_t>(c)];
      moments.count = counts(c);
      moments.mean.assign(means[c].begin(), means[c].end());
      if (fresh.kind_ == SecondMoment::diagonal && width > 0) { moments.diagonal = list_of(reader.template tensor<double, 1>(message("diagonal.", c), Shape<1>{width})); }
      if (reader.has(message("rows.", c))) { moments.rows = list_of(reader.template tensor<double, 1>(message("rows.", c))); }
      if (width == 0 ? !moments.rows.empty() : static_cast<Index>(moments.rows.size()) % width != 0) { fail<FileError>(file, "holds rows of class ", c, " of another width than ", width); }
      if (reader.has(message("triangle.", c))) { moments.triangle = SymmetricMatrix<double>(width, reader.template tensor<double, 1>(message("triangle.", c), Shape<1>{TriangleTiles{width}.size()})); }
    }
    return fresh;
  }

 private:
  struct Moments {
    Index count = 0;
    std::vector<double> mean;
    std::vector<double> rows;          // [r, L]
    SymmetricMatrix<double> triangle;  // of order 0 while rows suffice
    std::vector<double> diagonal;      // [L] of the diagonal kind
  };

  [[nodiscard]] Moments empty() const {
    Moments moments;
    moments.mean.assign(static_cast<std::size_t>(width_), 0.0);
    if (kind_ == SecondMoment::diagonal) { moments.diagonal.assign(static_cast<std::size_t>(width_), 0.0); }
    return moments;
  }

  void set_width(Index width) {
    if (width_ == width) { return; }
    width_ = width;
    std::fill(of_.begin(), of_.end(), empty());
  }

  [[nodiscard]] Moments const& at(Index column) const {
    expects(column >= 0 && column < classes(), "ClassMoments", "the column must be that of a class", column, classes());
    return of_[static_cast<std::size_t>(column)];
  }

  [[nodiscard]] Index stored_rows(Moments const& moments) const { return width_ == 0 ? 0 : static_cast<Index>(moments.rows.size()) / width_; }
  static double unbiased(Moments const& moments) { return moments.count > 1 ? 1.0 / static_cast<double>(moments.count - 1) : 0.0; }

  template <class T>
  void add_row(Moments& moments, T const* row) const {
    auto const n = static_cast<double>(moments.count);
    std::vector<double> step(static_cast<std::size_t>(width_));
    for (std::size_t j = 0; j < step.size(); ++j) { step[j] = static_cast<double>(row[j]) - moments.mean[j]; }
    for (std::size_t j = 0; j < step.size(); ++j) { moments.mean[j] += step[j] / (n + 1.0); }
    ++moments.count;
    if (n > 0.0) { add_outer(moments, n / (n + 1.0), step); }
  }

  /// M2 += weight d d^T
  void add_outer(Moments& moments, double weight, std::vector<double> d) const {
    if (kind_ == SecondMoment::diagonal) {
      for (std::size_t j = 0; j < d.size(); ++j) { moments.diagonal[j] += weight * d[j] * d[j]; }
      return;
    }
    double const root = std::sqrt(weight);
    for (double& x : d) { x *= root; }
    moments.rows.insert(moments.rows.end(), d.begin(), d.end());
  }

  void unite(Moments& a, Moments const& b) const {
    if (b.count == 0) { return; }
    if (a.count == 0) {
      a = b;
      return;
    }
    auto const na = static_cast<double>(a.count);
    auto const nb = static_cast<double>(b.count);
    std::vector<double> d(b.mean);
    for (std::size_t j = 0; j < d.size(); ++j) { d[j] -= a.mean[j]; }
    for (std::size_t j = 0; j < d.size(); ++j) { a.mean[j] += d[j] * nb / (na + nb); }
    a.count += b.count;
    a.rows.insert(a.rows.end(), b.rows.begin(), b.rows.end());
    for (std::size_t j = 0; j < a.diagonal.size(); ++j) { a.diagonal[j] += b.diagonal[j]; }
    if (b.triangle.order() > 0 && a.triangle.order() == 0) {
      a.triangle = b.triangle;
    } else if (b.triangle.order() > 0) {
      std::transform(a.triangle.storage().begin(), a.triangle.storage().end(), b.triangle.storage().begin(), a.triangle.storage().begin(), [](double x, double y) { return x + y; });
    }
    add_outer(a, na * nb / (na + nb), std::move(d));
  }

  template <class Exec>
  void fold(Exec const& exec, Moments& moments) const {
    if (moments.triangle.order() == 0) { moments.triangle = SymmetricMatrix<double>(width_); }
    kernels::rank_k_update(exec, 1.0, MatrixView<double const>(moments.rows.data(), {stored_rows(moments), width_}), moments.triangle.view());
    moments.rows = {};
  }

  static VectorView<double const> view_of(std::vector<double> const& list) { return {list.data(), {static_cast<Index>(list.size())}}; }
  static std::vector<double> list_of(Vector<double> const& vector) { return {vector.begin(), vector.end()}; }

  SecondMoment kind_;
  Index width_ = 0;
  std::vector<Moments> of_;
};

}  // namespace accrete
