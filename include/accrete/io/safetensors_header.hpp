#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/io/json_text.hpp>
#include <accrete/io/scalar_type.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// What a safetensors header says about its tensors. Offsets count from the first byte behind the header.
struct SafetensorsHeader {
  struct Entry {
    ScalarType type = ScalarType::f32;
    std::vector<Index> shape;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  std::map<std::string, Entry, std::less<>> entries;  ///< in order of name
  std::map<std::string, std::string> metadata;

  static constexpr std::uint64_t largest = 100'000'000;  ///< bytes of JSON
  static constexpr std::size_t longest_name = 4096;      ///< bytes of a tensor's name

  /// Reads and checks a header: JSON, fields, types, and that the tensors tile the data without hole, overlap or rest.
  /// @param[in] json        the header without its length field
  /// @param[in] data_bytes  bytes behind the header
  /// @param[in] source      name of the file, for messages
  /// @throws FileError  naming the source, the tensor and the rule that is broken
  /// Cost: one pass over the header, no tree of it in memory.
  /// @source the safetensors format as its reference implementation (0.8) reads it
  [[nodiscard]] static SafetensorsHeader parse(std::string_view json, std::uint64_t data_bytes, std::string const& source);
};

namespace detail {

/// A text from an untrusted file, fit for one line of a message: quoted, control characters escaped, cut when long.
/// Not called `quoted`: argument-dependent lookup would prefer the one of std, which escapes nothing but quotes.
[[nodiscard]] inline std::string quoted_text(std::string_view text) {
  constexpr std::size_t shown = 120;
  std::string escaped = json_quoted(text.substr(0, shown), JsonText::ascii);
  if (text.size() > shown) { escaped.insert(escaped.size() - 1, "..."); }
  return escaped;
}

/// Receives the header's JSON event by event. A tree would hide repeated fields and could be made ten times as large as the header.
class SafetensorsHeaderEvents {
 public:
  SafetensorsHeaderEvents(SafetensorsHeader& header, std::string const& source) : header_(header), source_(source) {}

  void null() {
    if (place_ != Place::root || name_ != metadata_name) { plain_value(); }
  }
  void boolean(bool /*value*/) { plain_value(); }
  void number_integer(std::int64_t /*value*/) { plain_value(); }  // only ever negative
  void number_float(double /*value*/) { plain_value(); }

  void number_unsigned(std::uint64_t value) {
    if (place_ != Place::list) { return plain_value(); }
    if (field_ == Field::offsets) {
      (offsets_++ == 0 ? entry_->begin : entry_->end) = value;
      return;
    }
    if (value > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) { refuse("has a dimension that does not fit 63 bits"); }
    entry_->shape.push_back(static_cast<Index>(value));
  }

  void string(std::string value) {  // NOLINT(performance-unnecessary-value-param): moved into the metadata
    if (place_ == Place::metadata) {
      if (!header_.metadata.try_emplace(name_, std::move(value)).second) { refuse_header(message("repeats ", quoted_text(name_), " in its metadata")); }
      return;
    }
    if (place_ != Place::entry || field_ != Field::type) { return plain_value(); }
    auto const type = find_scalar_type(value);
    if (!type) { refuse(message("has the unknown dtype ", quoted_text(value))); }
    entry_->type = *type;
  }

  void key(std::string value) {
    if (place_ == Place::skipped) { return; }
    if (place_ == Place::entry) { return begin_field(value); }
    if (value.size() > SafetensorsHeader::longest_name) { refuse_header(message("has a name of ", value.size(), " bytes; at most ", SafetensorsHeader::longest_name, " are allowed")); }
    name_ = std::move(value);
    if (place_ == Place::root && name_ == metadata_name && std::exchange(seen_metadata_, true)) { refuse_header("repeats __metadata__"); }
  }

  void start_object() {
    ++depth_;
    if (place_ == Place::before) {
      place_ = Place::root;
    } else if (place_ == Place::root && name_ == metadata_name) {
      place_ = Place::metadata;
    } else if (place_ == Place::root) {
      begin_entry();
    } else {
      skip();
    }
  }

  void end_object() {
    --depth_;
    if (place_ == Place::skipped) { return unskip(); }
    if (place_ == Place::entry) { end_entry(); }
    place_ = depth_ == 0 ? Place::after : Place::root;
  }

  void start_array() {
    ++depth_;
    if (place_ == Place::entry && (field_ == Field::shape || field_ == Field::offsets)) {
      place_ = Place::list;
    } else {
      skip();
    }
  }

  void end_array() {
    --depth_;
    if (place_ == Place::skipped) { return unskip(); }
    place_ = Place::entry;
  }

 private:
  enum class Place { before, root, metadata, entry, list, skipped, after };
  enum class Field { type, shape, offsets, unknown };
  static constexpr std::string_view metadata_name = "__metadata__";

  [[noreturn]] void refuse_header(std::string const& what) const { fail<FileError>(source_, "the safetensors header ", what); }
  [[noreturn]] void refuse(std::string const& what) const { fail<FileError>(source_, "tensor ", quoted_text(name_), " ", what); }

  /// A value that means nothing to us: fine inside an unknown field, an error everywhere else.
  void plain_value() const {
    if (place_ != Place::skipped && (place_ != Place::entry || field_ != Field::unknown)) { refuse_value(); }
  }

  [[noreturn]] void refuse_value() const {
    if (place_ == Place::before) { refuse_header("is not a JSON object"); }
    if (place_ == Place::metadata || (place_ == Place::root && name_ == metadata_name)) { refuse_header("has metadata that is not an object of strings"); }
    if (place_ == Place::root) { refuse("is not described by an object"); }
    if (place_ == Place::entry && field_ == Field::type) { refuse("has a dtype that is not a string"); }
    if (field_ == Field::shape) { refuse("has a shape that is not a list of whole numbers from 0 on"); }
    refuse("has data_offsets that are not two whole numbers from 0 on");
  }

  void skip() {
    plain_value();
    if (skip_from_ == 0) { skip_from_ = depth_; }
    place_ = Place::skipped;
  }
  void unskip() {
    if (depth_ < skip_from_) {
      skip_from_ = 0;
      place_ = Place::entry;
    }
  }

  void begin_entry() {
    auto const [place, is_new] = header_.entries.try_emplace(name_);
    if (!is_new) { refuse("is described twice"); }
    entry_ = &place->second;
    seen_ = {};
    offsets_ = 0;
    place_ = Place::entry;
  }

  void begin_field(std::string_view name) {
    field_ = name == "dtype" ? Field::type : name == "shape" ? Field::shape : name == "data_offsets" ? Field::offsets : Field::unknown;
    if (field_ != Field::unknown && std::exchange(seen_[static_cast<std::size_t>(field_)], true)) { refuse(message("repeats its field ", name)); }
  }

  void end_entry() {
    constexpr std::array<std::string_view, 3> names{"dtype", "shape", "data_offsets"};
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!seen_[i]) { refuse(message("has no ", names[i])); }
    }
    if (offsets_ != 2) { refuse("must have exactly two numbers in data_offsets"); }
  }

  SafetensorsHeader& header_;
  std::string const& source_;
  Place place_ = Place::before;
  Field field_ = Field::unknown;
  int depth_ = 0;
  int skip_from_ = 0;
  bool seen_metadata_ = false;
  std::string name_;
  SafetensorsHeader::Entry* entry_ = nullptr;
  std::array<bool, 3> seen_{};
  int offsets_ = 0;
};

/// Bytes that a shape of that type takes; an empty optional for overflow or a broken byte.
[[nodiscard]] inline std::optional<std::uint64_t> stored_bytes(ScalarType type, std::vector<Index> const& shape) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t count = 1;
  for (Index const extent : shape) {
    auto const wide = static_cast<std::uint64_t>(extent);
    if (wide != 0 && count > most / wide) { return std::nullopt; }
    count *= wide;
  }
  std::uint64_t const bits = info(type).bits;
  if (count > most / bits || count * bits % 8 != 0) { return std::nullopt; }
  return count * bits / 8;
}

/// The tensors must tile the data: first at 0, each where the one before ended, the last at the end.
inline void check_tiling(SafetensorsHeader const& header, std::uint64_t data_bytes, std::string const& source) {
  using Named = std::pair<std::string const, SafetensorsHeader::Entry>;
  std::vector<Named const*> order;
  for (auto const& named : header.entries) { order.push_back(&named); }
  std::sort(order.begin(), order.end(), [](Named const* a, Named const* b) { return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end); });
  std::uint64_t expected = 0;
  for (Named const* const named : order) {
    auto const& entry = named->second;
    auto const refuse = [&](auto const&... what) { fail<FileError>(source, "tensor ", quoted_text(named->first), " ", what...); };
    if (entry.begin > entry.end) { refuse("ends before it begins (data_offsets ", entry.begin, ", ", entry.end, ")"); }
    auto const bytes = stored_bytes(entry.type, entry.shape);
    if (!bytes) { refuse("has a shape whose size is not a number of bytes below 2^64"); }
    if (*bytes != entry.end - entry.begin) { refuse("takes ", entry.end - entry.begin, " bytes but its type and shape need ", *bytes); }
    if (entry.begin != expected) { refuse("begins at byte ", entry.begin, ", but the tensors before it end at byte ", expected); }
    expected = entry.end;
  }
  if (expected != data_bytes) { fail<FileError>(source, "the tensors take ", expected, " bytes but the file holds ", data_bytes, expected > data_bytes ? " (truncated?)" : ""); }
}

}  // namespace detail

inline SafetensorsHeader SafetensorsHeader::parse(std::string_view json, std::uint64_t data_bytes, std::string const& source) {
  SafetensorsHeader header;
  detail::SafetensorsHeaderEvents events(header, source);
  read_json(json, source + ": the safetensors header", events);
  detail::check_tiling(header, data_bytes, source);
  return header;
}

}  // namespace accrete
