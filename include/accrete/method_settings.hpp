#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// A part of a method that has nothing to set.
struct NothingToSet {};

/// The settings of a method: those of its policies, by name.
/// @tparam Tuning, Prompt, Head, Protocol, Merge  the policies;  @tparam Joining  how several networks are put together, such as ConcatSettings
template <class Tuning, class Prompt, class Head, class Protocol, class Joining = NothingToSet, class Merge = NothingToSet>
struct MethodSettings {
  Tuning tuning = {};
  Prompt prompt = {};
  Head head = {};
  Protocol protocol = {};
  Joining joining = {};
  Merge merge = {};

  /// The same with one seed for everything that is drawn.
  [[nodiscard]] MethodSettings seeded(std::uint64_t seed) const {
    MethodSettings copy = *this;
    seed_part(copy.prompt, seed);
    seed_part(copy.head, seed);
    seed_nested(copy.head, seed);
    seed_part(copy.protocol.training, seed);
    seed_part(copy.protocol.memory, seed);
    return copy;
  }
  /// What draws the first values of a tuning.
  [[nodiscard]] static RngKey tuning_key(std::uint64_t seed) { return {.seed = seed, .purpose = Purpose::initialisation}; }

  [[nodiscard]] static std::vector<Setting<MethodSettings>> settings() {
    std::vector<Setting<MethodSettings>> all;
    auto const add = [&](auto MethodSettings::*member, auto const& part) {
      for (auto& setting : part_settings(member, settings_of(part))) { all.push_back(std::move(setting)); }
    };
    add(&MethodSettings::head, Head{});
    add(&MethodSettings::prompt, Prompt{});
    add(&MethodSettings::protocol, Protocol{});
    add(&MethodSettings::joining, Joining{});
    add(&MethodSettings::merge, Merge{});
    add(&MethodSettings::tuning, Tuning{});
    return all;
  }

 private:
  template <class Part>
  static void seed_part(Part& part, std::uint64_t seed) {
    if constexpr (requires { part.seed = seed; }) { part.seed = seed; }
  }
  /// A head may hold a head, and an alignment.
  template <class Part>
  static void seed_nested(Part& part, std::uint64_t seed) {
    if constexpr (requires { part.alignment; }) { seed_part(part.alignment, seed); }
    if constexpr (requires { part.head; }) {
      seed_part(part.head, seed);
      seed_nested(part.head, seed);
    }
  }
};

/// Settings as published for one data set.
template <class Settings>
struct Published {
  std::string data_set;
  Settings settings;
};

/// The settings published for a data set.
/// @throws ValueError  for another; the nearest is named
template <class Settings>
[[nodiscard]] Settings published_for(std::vector<Published<Settings>> const& all, std::string_view data_set) {
  std::vector<std::string> names;
  for (auto const& known : all) {
    if (known.data_set == data_set) { return known.settings; }
    names.push_back(known.data_set);
  }
  if (names.empty()) { fail<ValueError>("published settings", "this method has none (came: ", data_set, ")"); }
  fail<ValueError>("published settings", "there are none for '", data_set, "'; did you mean '", nearest_name(data_set, names), "'?");
}

}  // namespace accrete
