#pragma once

#include <accrete/backbone/positions.hpp>
#include <accrete/backbone/vit_shape.hpp>
#include <accrete/core/preprocessing.hpp>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace accrete {

/// What a user says about a vision transformer that its file does not; each wins over what the file and its configuration say.
struct VitOptions {
  std::optional<Index> heads = std::nullopt;                     ///< must divide the width
  std::optional<double> epsilon = std::nullopt;                  ///< of every layer norm
  std::optional<kernels::Activation> activation = std::nullopt;  ///< of the MLPs
  std::optional<Index> image_height = std::nullopt;              ///< pixels; the position table is fitted to it
  std::optional<Index> image_width = std::nullopt;               ///< pixels; the height when only that is given
  std::optional<Pool> pool = std::nullopt;                       ///< which rows become the feature
  std::optional<Preprocessing> preprocessing = std::nullopt;     ///< what images go through before they are embedded
  PositionResize positions = PositionResize::antialias;
};

/// The value whose `name_of` is `name`.
/// @throws FileError  when none of them is called so
template <class Value>
[[nodiscard]] Value value_named(std::string_view what, std::string_view name, std::initializer_list<Value> values) {
  for (Value const value : values) {
    if (name_of(value) == name) { return value; }
  }
  fail<FileError>(what, "there is no '", name, "'");
}

/// Where a property of a loaded network came from.
struct Provenance {
  std::string property;
  std::string value;
  std::string read_from;  ///< `shapes`, `config.json`, `metadata`, `options`, or `assumed: ...` with the reason
};

}  // namespace accrete
