#pragma once

#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// One named array of parameters inside a store.
struct ParameterSegment {
  std::string name;
  std::vector<Index> shape;   ///< the first axis counts the rows
  std::string role;           ///< what kind of part it is, such as `prompt` or `head`: the group an optimiser gives a rate to
  Index task = -1;            ///< the task it came with; -1: before all tasks
  bool decays = true;         ///< whether weight decay applies
  Index first_trainable = 0;  ///< rows [first_trainable, first_trainable + trainable_rows) learn, the others stand still
  Index trainable_rows = 0;

  /// Number of elements. @throws ShapeError  for negative or overflowing extents
  [[nodiscard]] Index elements() const {
    Index count = 1;
    for (Index const extent : shape) { count = element_count(Shape<2>{count, extent}); }
    return count;
  }

  friend bool operator==(ParameterSegment const&, ParameterSegment const&) = default;
};

/// Parameters that change together: the trainable rows of one segment.
struct ParameterSpan {
  Index segment = 0;  ///< number of the segment
  Index first = 0;    ///< offset of the first element in the buffer
  Index count = 0;    ///< number of elements

  friend bool operator==(ParameterSpan const&, ParameterSpan const&) = default;
};

/// Everything that can learn, in one buffer aligned to a cache line, with named segments. Optimisers, merge rules, Fisher information,
/// all-reduce and files are loops over spans of it; what is frozen lies outside every span of `trainable`, so nothing can touch it.
/// Segments begin at multiples of 64 bytes; what lies between them is zero. Adding or growing a segment moves the buffer: views do not survive it.
/// @tparam T  float for learning, double where gradients are checked
template <class T = float>
class ParameterStore {
 public:
  /// Adds a segment of zeros.
  /// @returns its number
  /// @throws ValueError  for an empty or used name;  ShapeError  when a shape has no axis, a negative extent, or the trainable rows leave it;  nothing is changed then
  Index add(ParameterSegment segment) {
    std::vector<ParameterSegment> alone;
    alone.push_back(std::move(segment));
    return add_all(std::move(alone));
  }

  /// The same for many: the buffer moves once instead of once for each.
  /// @returns the number of the first
  Index add_all(std::vector<ParameterSegment> segments) {
    std::vector<ParameterSegment> all = segments_;
    std::vector<Index> offsets = offsets_;
    Index end = values_.size();
    for (ParameterSegment& segment : segments) {
      if (segment.name.empty()) { fail<ValueError>("ParameterStore::add", "a segment needs a name"); }
      if (position(all, segment.name) != all.size()) { fail<ValueError>("ParameterStore::add", "there is a segment '", segment.name, "' already"); }
      check_rows(segment, segment.first_trainable, segment.trainable_rows);
      offsets.push_back(aligned(end));
      end = offsets.back() + segment.elements();
      all.push_back(std::move(segment));
    }
    Index const first = size();
    values_ = resized(end);
    segments_ = std::move(all);
    offsets_ = std::move(offsets);
    return first;
  }

  /// Gives a segment more rows at its end; the new rows are zero and frozen, all other values stay.
  /// @throws ValueError  for an unknown name;  ShapeError  when there would be fewer rows than before;  nothing is changed then
  void grow(std::string_view name, Index rows) {
    auto const place = checked(name);
    ParameterSegment wider = segments_[place];
    expects(rows >= wider.shape[0], "ParameterStore::grow", "a segment cannot lose rows", rows, wider.shape[0]);
    wider.shape[0] = rows;
    std::vector<Index> offsets(offsets_.begin(), offsets_.begin() + static_cast<std::ptrdiff_t>(place) + 1);
    Index end = offsets.back() + wider.elements();
    for (std::size_t later = place + 1; later < segments_.size(); ++later) {
      offsets.push_back(aligned(end));
      end = offsets.back() + segments_[later].elements();
    }
    auto values = Vector<T>::zeros({end});
    for (std::size_t i = 0; i < segments_.size(); ++i) { std::copy_n(values_.data() + offsets_[i], segments_[i].elements(), values.data() + offsets[i]); }
    segments_[place] = std::move(wider);
    offsets_ = std::move(offsets);
    values_ = std::move(values);
  }

  /// Says which rows of a segment learn; the others stand still. `rows = 0` freezes all of it.
  /// @throws ValueError  for an unknown name;  ShapeError  when the rows leave the segment
  void train_rows(std::string_view name, Index first, Index rows) {
    ParameterSegment& segment = segments_[checked(name)];
    check_rows(segment, first, rows);
    segment.first_trainable = first;
    segment.trainable_rows = rows;
  }

  /// Number of segments.
  [[nodiscard]] Index size() const { return static_cast<Index>(segments_.size()); }
  /// By number.
  [[nodiscard]] std::vector<ParameterSegment> const& segments() const { return segments_; }
  [[nodiscard]] bool contains(std::string_view name) const { return position(name) != segments_.size(); }

  /// @throws ValueError  for an unknown name
  [[nodiscard]] ParameterSegment const& segment(std::string_view name) const { return segments_[checked(name)]; }

  /// The values of a segment.
  /// @throws ValueError  for an unknown name;  ShapeError  when it has another number of axes
  template <int Rank>
  [[nodiscard]] TensorView<T, Rank> view(std::string_view name) {
    auto const place = checked(name);
    return {values_.data() + offsets_[place], shape_of<Rank>(segments_[place])};
  }
  template <int Rank>
  [[nodiscard]] TensorView<T const, Rank> view(std::string_view name) const {
    auto const place = checked(name);
    return {values_.data() + offsets_[place], shape_of<Rank>(segments_[place])};
  }

  /// Where the values of a segment begin in the buffer.
  /// @throws ValueError  for an unknown name
  [[nodiscard]] Index offset(std::string_view name) const { return offsets_[checked(name)]; }

  /// The whole buffer, frozen values and the zeros between segments included: what a gradient or a moment is as long as.
  [[nodiscard]] VectorView<T> values() { return values_.view(); }
  [[nodiscard]] VectorView<T const> values() const { return values_.view(); }

  /// All values of a segment side by side.
  /// @throws ValueError  for an unknown name
  [[nodiscard]] VectorView<T> values(std::string_view name) {
    auto const place = checked(name);
    return values().slice(offsets_[place], segments_[place].elements());
  }
  [[nodiscard]] VectorView<T const> values(std::string_view name) const {
    auto const place = checked(name);
    return values().slice(offsets_[place], segments_[place].elements());
  }

  /// What learns, in the order of the buffer; empty segments are left out.
  [[nodiscard]] std::vector<ParameterSpan> trainable() const {
    return spans([](ParameterSegment const&) { return true; });
  }
  /// What learns among the segments of one role.
  [[nodiscard]] std::vector<ParameterSpan> trainable(std::string_view role) const {
    return spans([role](ParameterSegment const& segment) { return segment.role == role; });
  }

  /// What learns of one segment, by its number; empty when it is frozen.
  /// @throws ShapeError  when there is no such segment
  [[nodiscard]] ParameterSpan trainable_of(Index segment) const {
    expects(segment >= 0 && segment < size(), "ParameterStore::trainable_of", "there must be a segment of that number", segment, size());
    auto const place = static_cast<std::size_t>(segment);
    ParameterSegment const& known = segments_[place];
    Index const row = known.shape[0] == 0 ? 0 : known.elements() / known.shape[0];
    return {segment, offsets_[place] + row * known.first_trainable, row * known.trainable_rows};
  }

  /// The part of the buffer that a span names.
  [[nodiscard]] VectorView<T> view(ParameterSpan const& span) { return values().slice(span.first, span.count); }
  [[nodiscard]] VectorView<T const> view(ParameterSpan const& span) const { return values().slice(span.first, span.count); }

  /// Writes every segment: values as a tensor of its shape, the rest as settings.
  /// @tparam Writer  `ModelWriter`; the store must live until it has written
  template <class Writer>
  void write(Writer const& writer) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      ParameterSegment const& segment = segments_[i];
      names.push_back(segment.name);
      auto const scope = writer.scope(segment.name);
      scope.tensor("values", TensorView<T const, 1>(values_.data() + offsets_[i], {segment.elements()}));
      scope.setting("shape", segment.shape);
      scope.setting("role", segment.role);
      scope.setting("task", segment.task);
      scope.setting("decays", segment.decays);
      scope.setting("trainable", std::vector<Index>{segment.first_trainable, segment.trainable_rows});
    }
    writer.setting("segments", names);
  }

  /// Reads what `write` wrote.
  /// @tparam Reader  `ModelReader`
  /// @throws FileError, ValueError, ShapeError  when something is missing or does not fit
  template <class Reader>
  [[nodiscard]] static ParameterStore read(Reader const& reader) {
    std::vector<ParameterSegment> segments;
    std::vector<Vector<T>> values;
    for (std::string const& name : reader.template setting<std::vector<std::string>>("segments")) {
      auto const scope = reader.scope(name);
      auto const trainable = scope.template setting<std::vector<Index>>("trainable");
      expects(trainable.size() == 2, "ParameterStore::read", "trainable must be a first row and a number of rows", trainable.size());
      ParameterSegment segment{name,
                               scope.template setting<std::vector<Index>>("shape"),
                               scope.template setting<std::string>("role"),
                               scope.template setting<Index>("task"),
                               scope.template setting<bool>("decays"),
                               trainable[0],
                               trainable[1]};
      check_rows(segment, segment.first_trainable, segment.trainable_rows);
      values.push_back(scope.template tensor<T, 1>("values", Shape<1>{segment.elements()}));
      segments.push_back(std::move(segment));
    }
    ParameterStore store;
    store.add_all(std::move(segments));
    for (std::size_t i = 0; i < values.size(); ++i) { std::copy(values[i].begin(), values[i].end(), store.values_.data() + store.offsets_[i]); }
    return store;
  }

  /// Same segments and the same bits.
  friend bool operator==(ParameterStore const& a, ParameterStore const& b) {
    auto const bytes = static_cast<std::size_t>(a.values_.size()) * sizeof(T);
    return a.segments_ == b.segments_ && a.values_.size() == b.values_.size() && (bytes == 0 || std::memcmp(a.values_.data(), b.values_.data(), bytes) == 0);
  }

 private:
  static constexpr Index step = static_cast<Index>(HostMemory::alignment / sizeof(T));

  static Index aligned(Index offset) { return (offset + step - 1) / step * step; }

  static void check_rows(ParameterSegment const& segment, Index first, Index rows) {
    expects(!segment.shape.empty(), "ParameterStore", "a segment needs at least one axis", segment.name);
    static_cast<void>(segment.elements());
    expects(first >= 0 && rows >= 0 && first <= segment.shape[0] - rows, "ParameterStore", "the trainable rows must lie inside the segment", segment.name, first, rows, segment.shape[0]);
  }

  template <int Rank>
  static Shape<Rank> shape_of(ParameterSegment const& segment) {
    expects(segment.shape.size() == static_cast<std::size_t>(Rank), "ParameterStore::view", "the number of axes must be that of the segment", segment.name, segment.shape.size(), Rank);
    Shape<Rank> shape{};
    std::copy(segment.shape.begin(), segment.shape.end(), shape.begin());
    return shape;
  }

  [[nodiscard]] std::size_t position(std::string_view name) const { return position(segments_, name); }
  [[nodiscard]] static std::size_t position(std::vector<ParameterSegment> const& segments, std::string_view name) {
    auto const place = std::find_if(segments.begin(), segments.end(), [name](ParameterSegment const& segment) { return segment.name == name; });
    return static_cast<std::size_t>(place - segments.begin());
  }

  [[nodiscard]] std::size_t checked(std::string_view name) const {
    auto const place = position(name);
    if (place == segments_.size()) { fail<ValueError>("ParameterStore", "there is no segment '", name, "'"); }
    return place;
  }

  [[nodiscard]] Vector<T> resized(Index count) const {
    auto wider = Vector<T>::zeros({count});
    std::copy(values_.begin(), values_.end(), wider.begin());
    return wider;
  }

  template <class Wanted>
  [[nodiscard]] std::vector<ParameterSpan> spans(Wanted wanted) const {
    std::vector<ParameterSpan> result;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      auto const span = trainable_of(static_cast<Index>(i));
      if (wanted(segments_[i]) && span.count > 0) { result.push_back(span); }
    }
    return result;
  }

  Vector<T> values_;
  std::vector<ParameterSegment> segments_;
  std::vector<Index> offsets_;
};

}  // namespace accrete
