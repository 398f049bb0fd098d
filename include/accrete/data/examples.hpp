#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/image.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// Where labelled pictures come from: one entry of `labels` per picture, and functions that fetch picture i on demand.
/// The functions must be callable from several threads at once.
struct Source {
  std::vector<std::string> class_names;
  std::vector<Index> labels;                ///< [N] in [0, class_names.size())
  std::function<Image(Index)> image;        ///< decodes picture i; throws FileError naming it
  std::function<std::uint64_t(Index)> id;   ///< hash of the stored bytes of picture i: equal bytes, equal id
  std::function<std::string(Index)> where;  ///< what a person would call picture i: a path, or "train.bin[17]"
};

/// A sequence of labelled pictures, read on demand. Cheap to copy: copies and subsets share their source.
class Examples {
 public:
  /// No pictures and no classes.
  Examples() : Examples(Source{}) {}

  /// All pictures of a source, in its order.
  /// @throws ValueError  when a label lies outside of the class names, or a function is missing while there are pictures
  explicit Examples(Source source) : source_(std::make_shared<Source const>(std::move(source))), indices_(source_->labels.size()) {
    auto const classes = static_cast<Index>(source_->class_names.size());
    for (Index const label : source_->labels) {
      if (label < 0 || label >= classes) { fail<ValueError>("Examples", "label ", label, " lies outside of the ", classes, " class names"); }
    }
    if (!indices_.empty() && !(source_->image && source_->id && source_->where)) { fail<ValueError>("Examples", "a source with pictures needs its three functions"); }
    std::iota(indices_.begin(), indices_.end(), Index{0});
  }

  [[nodiscard]] Index size() const { return static_cast<Index>(indices_.size()); }
  [[nodiscard]] bool empty() const { return indices_.empty(); }

  /// Class of example i: a position in `class_names()`.
  /// @throws ValueError  here and in the next three when i lies outside of [0, size())
  [[nodiscard]] Index label(Index i) const { return source_->labels[static_cast<std::size_t>(at(i))]; }

  /// Reads and decodes example i. Safe to call from several threads.
  /// @throws FileError  when it cannot be read; the message names it
  [[nodiscard]] Image image(Index i) const { return source_->image(at(i)); }

  /// Hash of the stored bytes of example i; it does not depend on the subset or on the path.
  [[nodiscard]] std::uint64_t id(Index i) const { return source_->id(at(i)); }

  /// The file, or the place in a file, of example i.
  [[nodiscard]] std::string where(Index i) const { return source_->where(at(i)); }

  [[nodiscard]] std::vector<std::string> const& class_names() const { return source_->class_names; }

  /// Position of each example in the source.
  [[nodiscard]] std::vector<Index> const& indices() const { return indices_; }

  /// The examples at the given positions of this sequence, in the given order; a position may come twice.
  /// @throws ValueError  when a position lies outside of [0, size())
  [[nodiscard]] Examples subset(std::vector<Index> positions) const {
    for (Index& position : positions) { position = at(position); }
    return Examples(source_, std::move(positions));
  }

  /// The examples whose label is listed, in the order of this sequence.
  /// @throws ValueError  when a label lies outside of the class names
  [[nodiscard]] Examples of_classes(std::vector<Index> const& labels) const {
    std::vector<bool> wanted(source_->class_names.size(), false);
    for (Index const label : labels) {
      if (label < 0 || label >= static_cast<Index>(wanted.size())) { fail<ValueError>("Examples::of_classes", "label ", label, " lies outside of the ", wanted.size(), " class names"); }
      wanted[static_cast<std::size_t>(label)] = true;
    }
    return filtered([&](Index label) { return wanted[static_cast<std::size_t>(label)]; });
  }

  /// The first `n` examples of each class, in the order of this sequence.
  /// @throws ValueError  when n < 0
  [[nodiscard]] Examples first_per_class(Index n) const {
    if (n < 0) { fail<ValueError>("Examples::first_per_class", "the number of examples must not be negative, came ", n); }
    std::vector<Index> taken(source_->class_names.size(), 0);
    return filtered([&](Index label) { return taken[static_cast<std::size_t>(label)]++ < n; });
  }

  /// At most `n` examples at even distances, in the order of this sequence.
  /// @throws ValueError  when n < 0
  [[nodiscard]] Examples evenly(Index n) const {
    if (n < 0) { fail<ValueError>("Examples::evenly", "the number of examples must not be negative, came ", n); }
    std::vector<Index> chosen(static_cast<std::size_t>(std::min(n, size())));
    for (std::size_t i = 0; i < chosen.size(); ++i) { chosen[i] = indices_[i * indices_.size() / chosen.size()]; }
    return Examples(source_, std::move(chosen));
  }

 private:
  Examples(std::shared_ptr<Source const> source, std::vector<Index> indices) : source_(std::move(source)), indices_(std::move(indices)) {}

  [[nodiscard]] Index at(Index i) const {
    if (i < 0 || i >= size()) { fail<ValueError>("Examples", "position ", i, " lies outside of the ", size(), " examples"); }
    return indices_[static_cast<std::size_t>(i)];
  }

  template <class Wanted>
  [[nodiscard]] Examples filtered(Wanted wanted) const {
    std::vector<Index> kept;
    for (Index const index : indices_) {
      if (wanted(source_->labels[static_cast<std::size_t>(index)])) { kept.push_back(index); }
    }
    return Examples(source_, std::move(kept));
  }

  std::shared_ptr<Source const> source_;
  std::vector<Index> indices_;
};

}  // namespace accrete
