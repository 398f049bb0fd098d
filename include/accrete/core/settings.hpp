#pragma once

#include <accrete/core/error.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete {

/// The candidate with the smallest edit distance to `word`; empty when there is none. Ties go to the first.
/// Cost: |word| * sum of the candidates' lengths.
[[nodiscard]] inline std::string nearest_name(std::string_view word, std::span<std::string const> candidates) {
  std::string best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> row;
  for (std::string const& candidate : candidates) {
    row.assign(candidate.size() + 1, 0);
    for (std::size_t j = 0; j < row.size(); ++j) { row[j] = j; }
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        std::size_t const replaced = diagonal + (word[i] == candidate[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

/// The text of a number that reads back to the same bits.
template <class Number>
[[nodiscard]] std::string exact_text(Number value) {
  char buffer[64];
  auto const end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end.ptr};
}

/// Reads a whole text as one number.
/// @throws ValueError  when the text is not exactly one finite number in [least, most]
template <class Number>
[[nodiscard]] Number parse_number(std::string_view name, std::string_view text, Number least, Number most) {
  Number value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool const inside = value >= least && value <= most;  // false for NaN
  if (error != std::errc{} || end != text.data() + text.size() || !inside) { fail<ValueError>(name, "must be a number from ", least, " to ", most, " (came: ", text, ")"); }
  return value;
}

/// One setting of a policy as a person names it: what it is called, what it means, how it is written as text and read back.
template <class Policy>
struct Setting {
  std::string name;
  std::string meaning;
  std::function<std::string(Policy const&)> text;
  std::function<void(Policy&, std::string_view)> assign;  ///< throws ValueError and leaves the policy as it was
};

/// A setting that is a number between two bounds.
template <class Policy, class Number>
[[nodiscard]] Setting<Policy> number_setting(std::string name, std::string meaning, Number Policy::*member, Number least, Number most) {
  return {name, std::move(meaning), [member](Policy const& policy) { return exact_text(policy.*member); },
          [name, member, least, most](Policy& policy, std::string_view text) { policy.*member = parse_number<Number>(name, text, least, most); }};
}

/// A setting that is one of a few words.
template <class Policy, class Choice>
[[nodiscard]] Setting<Policy> choice_setting(std::string name, std::string meaning, Choice Policy::*member, std::vector<std::pair<std::string, Choice>> choices) {
  auto const text = [member, choices](Policy const& policy) {
    auto const found = std::find_if(choices.begin(), choices.end(), [&](auto const& choice) { return choice.second == policy.*member; });
    return found == choices.end() ? std::string() : found->first;
  };
  auto const assign = [name, member, choices](Policy& policy, std::string_view word) {
    std::vector<std::string> words;
    for (auto const& [spelled, value] : choices) {
      if (spelled == word) {
        policy.*member = value;
        return;
      }
      words.push_back(spelled);
    }
    fail<ValueError>(name, "has no choice '", word, "'; did you mean '", nearest_name(word, words), "'?");
  };
  return {std::move(name), std::move(meaning), text, assign};
}

/// Has settings a person may name.
template <class P>
concept HasSettings = requires {
  P::settings();
};

/// The settings of a policy; none where it has none.
template <class P>
[[nodiscard]] std::vector<Setting<P>> settings_of(P const& /*policy*/) {
  if constexpr (HasSettings<P>) {
    return P::settings();
  } else {
    return {};
  }
}

/// The settings of a part as settings of the whole it is a member of.
/// @param[in] prefix  stands in front of every name, where two parts would share one
template <class Whole, class Part>
[[nodiscard]] std::vector<Setting<Whole>> part_settings(Part Whole::*member, std::vector<Setting<Part>> const& settings, std::string const& prefix = "") {
  std::vector<Setting<Whole>> lifted;
  for (Setting<Part> const& setting : settings) {
    lifted.push_back({prefix + setting.name, setting.meaning, [member, text = setting.text](Whole const& whole) { return text(whole.*member); },
                      [member, assign = setting.assign](Whole& whole, std::string_view value) { assign(whole.*member, value); }});
  }
  return lifted;
}

/// The same under the names the part gives them.
template <class Whole, class Part>
[[nodiscard]] std::vector<Setting<Whole>> part_settings(Part Whole::*member) {
  return part_settings(member, Part::settings());
}

/// Sets one setting by name.
/// @throws ValueError  for an unknown name (the nearest valid one is named) or a value outside of what the setting allows
template <class Policy>
void assign_setting(std::vector<Setting<Policy>> const& settings, Policy& policy, std::string_view name, std::string_view text) {
  std::vector<std::string> names;
  for (auto const& setting : settings) {
    if (setting.name == name) {
      setting.assign(policy, text);
      return;
    }
    names.push_back(setting.name);
  }
  if (names.empty()) { fail<ValueError>("settings", "there is none to set (came: ", name, ")"); }
  fail<ValueError>("settings", "there is no '", name, "'; did you mean '", nearest_name(name, names), "'?");
}

}  // namespace accrete
