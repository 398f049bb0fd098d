#pragma once

#include <accrete/backbone/dialects.hpp>
#include <accrete/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Where the parts of a canonical tensor are found.
struct TensorParts {
  std::vector<std::string> names;  ///< full stored names, to be put under each other as rows; one that is not there is empty
};

/// A file's names in the terms of this library, which are timm's.
struct NameMap {
  Dialect const* dialect = nullptr;
  std::string prefix;                                       ///< the wrapper in front of every stored name of the network
  std::map<std::string, TensorParts, std::less<>> tensors;  ///< by canonical name
  std::vector<std::string> unexpected;                      ///< stored names that mean nothing in this naming
  std::vector<std::string> bystanders;                      ///< stored names of heads and of other towers; not used

  /// How this file's naming spells a canonical name; several names where query, key and value lie apart.
  [[nodiscard]] std::vector<std::string> spelling(std::string_view canonical) const;
};

namespace detail {

/// What `*` and `@` stood for.
struct Wildcards {
  std::string block;
  std::string kind;
};

/// Matches a whole name; `#` in the pattern stands for the rest of the name.
[[nodiscard]] inline std::optional<Wildcards> match_name(std::string_view pattern, std::string_view name) {
  Wildcards found;
  for (char const sign : pattern) {
    std::size_t taken = 1;
    if (sign == '#') { return found; }
    if (sign == '*') {
      taken = std::min(name.find_first_not_of("0123456789"), name.size());
      // A leading zero would give one block two names.
      if (taken == 0 || (taken > 1 && name[0] == '0')) { return std::nullopt; }
      found.block = std::string(name.substr(0, taken));
    } else if (sign == '@') {
      found.kind = name.substr(0, 6) == "weight" ? "weight" : "bias";
      if (name.substr(0, found.kind.size()) != found.kind) { return std::nullopt; }
      taken = found.kind.size();
    } else if (name.empty() || name[0] != sign) {
      return std::nullopt;
    }
    name.remove_prefix(taken);
  }
  return name.empty() ? std::optional(found) : std::nullopt;
}

[[nodiscard]] inline std::string fill_name(std::string_view pattern, Wildcards const& wildcards) {
  std::string name;
  for (char const c : pattern) {
    if (c == '*') {
      name += wildcards.block;
    } else if (c == '@') {
      name += wildcards.kind;
    } else {
      name += c;
    }
  }
  return name;
}

/// Whether a string is nothing but wrappers, one behind the other.
[[nodiscard]] inline bool is_wrapper(std::string_view text) {
  while (!text.empty()) {
    auto const wrapper = std::find_if(wrapper_prefixes.begin(), wrapper_prefixes.end(), [&](std::string_view candidate) { return text.substr(0, candidate.size()) == candidate; });
    if (wrapper == wrapper_prefixes.end()) { return false; }
    text.remove_prefix(wrapper->size());
  }
  return true;
}

struct Recognised {
  Dialect const* dialect = nullptr;
  std::string prefix;
};

/// The naming whose signature stands behind the shortest wrapper; ties go to the earlier naming.
[[nodiscard]] inline Recognised recognise(std::span<std::string const> names) {
  Recognised best;
  for (Dialect const& dialect : dialects) {
    for (std::string const& name : names) {
      if (name.size() < dialect.signature.size() || name.substr(name.size() - dialect.signature.size()) != dialect.signature) { continue; }
      std::string const prefix = name.substr(0, name.size() - dialect.signature.size());
      bool const shorter = best.dialect == nullptr || prefix.size() < best.prefix.size();
      bool const complete = dialect.second_signature.empty() || std::find(names.begin(), names.end(), prefix + std::string(dialect.second_signature)) != names.end();
      if (shorter && complete && is_wrapper(prefix)) { best = {&dialect, prefix}; }
    }
  }
  return best;
}

}  // namespace detail

inline std::vector<std::string> NameMap::spelling(std::string_view canonical) const {
  std::vector<std::string> names;
  for (NameRule const& rule : dialect->rules) {
    auto const wildcards = detail::match_name(rule.canonical, canonical);
    if (wildcards && rule.part == static_cast<int>(names.size())) { names.push_back(prefix + detail::fill_name(rule.stored, *wildcards)); }
    if (wildcards && static_cast<int>(names.size()) == rule.parts) { break; }
  }
  return names;
}

/// Reads a file's names: finds the naming by what is there, takes wrappers off, sorts every name into used, standing by or unexpected.
/// Names outside of the wrapper belong to other parts of a bigger model and stand by.
/// @param[in] file  for messages
/// @throws FileError  when no naming is recognised, or when two stored tensors are the same one
[[nodiscard]] inline NameMap map_names(std::span<std::string const> names, std::string_view file) {
  auto const [dialect, prefix] = detail::recognise(names);
  if (dialect == nullptr) {
    std::string first;
    for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i) { first += message(i == 0 ? "'" : ", '", names[i], "'"); }
    fail<FileError>(file, "holds no vision transformer in a known naming (timm, transformers, CLIP); its ", names.size(), " tensors ", names.empty() ? "are none" : "begin with ", first);
  }
  NameMap map;
  map.dialect = dialect;
  map.prefix = prefix;
  for (std::string const& name : names) {
    std::string_view const bare = std::string_view(name).substr(std::min(prefix.size(), name.size()));
    if (name.compare(0, prefix.size(), prefix) != 0) {
      map.bystanders.push_back(name);
      continue;
    }
    bool known = false;
    for (NameRule const& rule : dialect->rules) {
      auto const wildcards = detail::match_name(rule.stored, bare);
      if (!wildcards) { continue; }
      auto& parts = map.tensors[detail::fill_name(rule.canonical, *wildcards)].names;
      parts.resize(std::max(parts.size(), static_cast<std::size_t>(rule.parts)));
      auto& part = parts[static_cast<std::size_t>(rule.part)];
      if (!part.empty() || parts.size() != static_cast<std::size_t>(rule.parts)) {
        auto const other = std::find_if(parts.begin(), parts.end(), [](std::string const& found) { return !found.empty(); });
        fail<FileError>(file, "'", *other, "' and '", name, "' are the same parameter");
      }
      part = name;
      known = true;
      break;
    }
    if (known) { continue; }
    bool const bystander = std::any_of(dialect->bystanders.begin(), dialect->bystanders.end(), [&](std::string_view pattern) { return detail::match_name(pattern, bare).has_value(); });
    (bystander ? map.bystanders : map.unexpected).push_back(name);
  }
  return map;
}

}  // namespace accrete
