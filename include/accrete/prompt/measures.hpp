#pragma once

#include <accrete/core/tensor.hpp>

#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// What a prompt strategy tells of itself, by name.
using Measures = std::vector<std::pair<std::string, double>>;

/// Puts measures into a model file; as numbers of a tensor, since a change of what was zero is infinite.
template <class Writer>
void write_measures(Measures const& measures, Writer const& writer) {
  std::vector<std::string> names;
  Vector<double> values({static_cast<Index>(measures.size())});
  for (auto const& [name, value] : measures) {
    values(static_cast<Index>(names.size())) = value;
    names.push_back(name);
  }
  writer.setting("names", names);
  writer.tensor("values", std::move(values));
}

/// Reads what `write_measures` wrote.
/// @throws FileError  when something is missing or does not fit
template <class Reader>
[[nodiscard]] Measures read_measures(Reader const& reader) {
  auto const names = reader.template setting<std::vector<std::string>>("names");
  auto const values = reader.template tensor<double, 1>("values", {static_cast<Index>(names.size())});
  Measures measures;
  for (std::string const& name : names) { measures.emplace_back(name, values(static_cast<Index>(measures.size()))); }
  return measures;
}

}  // namespace accrete
