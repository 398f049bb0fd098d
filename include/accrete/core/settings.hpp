#pragma once

#include <accrete/core/error.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
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

/// The parts of a text between separators, empty ones too; one empty part for an empty text. They are views of the text.
[[nodiscard]] inline std::vector<std::string_view> split_text(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t first = 0; first <= text.size();) {
    auto const end = std::min(text.find(separator, first), text.size());
    parts.push_back(text.substr(first, end - first));
    first = end + 1;
  }
  return parts;
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

namespace detail {
/// How the value of a setting is written as text and read back, wherever it lies: one body for all policies that have a value of its kind.
class SettingValue {
 public:
  virtual ~SettingValue() = default;
  [[nodiscard]] virtual std::string text(void const* value) const = 0;
  /// @throws ValueError  and leaves the value as it was
  virtual void assign(void* value, std::string_view name, std::string_view text) const = 0;
};

template <class Number>
class NumberValue final : public SettingValue {
 public:
  NumberValue(Number least, Number most) : least_(least), most_(most) {}
  [[nodiscard]] std::string text(void const* value) const override { return exact_text(*static_cast<Number const*>(value)); }
  void assign(void* value, std::string_view name, std::string_view text) const override { *static_cast<Number*>(value) = parse_number<Number>(name, text, least_, most_); }

 private:
  Number least_;
  Number most_;
};

/// A number, or none under a word.
template <class Number>
class OptionalValue final : public SettingValue {
 public:
  OptionalValue(std::string none, Number least, Number most) : none_(std::move(none)), least_(least), most_(most) {}
  [[nodiscard]] std::string text(void const* value) const override {
    auto const& number = *static_cast<std::optional<Number> const*>(value);
    return number ? exact_text(*number) : none_;
  }
  void assign(void* value, std::string_view name, std::string_view text) const override {
    *static_cast<std::optional<Number>*>(value) = text == none_ ? std::nullopt : std::optional<Number>(parse_number<Number>(name, text, least_, most_));
  }

 private:
  std::string none_;
  Number least_;
  Number most_;
};

template <class Choice>
class ChoiceValue final : public SettingValue {
 public:
  explicit ChoiceValue(std::vector<std::pair<std::string, Choice>> choices) : choices_(std::move(choices)) {}

  [[nodiscard]] std::string text(void const* value) const override {
    for (auto const& [word, choice] : choices_) {
      if (choice == *static_cast<Choice const*>(value)) { return word; }
    }
    return {};
  }
  void assign(void* value, std::string_view name, std::string_view text) const override {
    std::vector<std::string> words;
    for (auto const& [word, choice] : choices_) {
      if (word == text) {
        *static_cast<Choice*>(value) = choice;
        return;
      }
      words.push_back(word);
    }
    fail<ValueError>(name, "has no choice '", text, "'; did you mean '", nearest_name(text, words), "'?");
  }

 private:
  std::vector<std::pair<std::string, Choice>> choices_;
};

/// Where a member lies in an object, in bytes.
template <class Whole, class Part>
[[nodiscard]] std::ptrdiff_t offset_of(Part Whole::*member) {
  Whole const whole{};
  return reinterpret_cast<std::byte const*>(&(whole.*member)) - reinterpret_cast<std::byte const*>(&whole);
}
}  // namespace detail

/// One setting of a policy as a person names it: what it is called, what it means, how it is written as text and read back.
template <class Policy>
struct Setting {
  std::string name;
  std::string meaning;
  std::shared_ptr<detail::SettingValue const> value;
  std::ptrdiff_t offset = 0;  ///< where the value lies in the policy, in bytes

  [[nodiscard]] std::string text(Policy const& policy) const { return value->text(reinterpret_cast<std::byte const*>(&policy) + offset); }
  /// @throws ValueError  and leaves the policy as it was
  void assign(Policy& policy, std::string_view text) const { value->assign(reinterpret_cast<std::byte*>(&policy) + offset, name, text); }
};

/// A setting that is a number between two bounds.
template <class Policy, class Number>
[[nodiscard]] Setting<Policy> number_setting(std::string name, std::string meaning, Number Policy::*member, Number least, Number most) {
  return {std::move(name), std::move(meaning), std::make_shared<detail::NumberValue<Number>>(least, most), detail::offset_of(member)};
}

/// A setting that is a number between two bounds, or a word that stands for none.
template <class Policy, class Number>
[[nodiscard]] Setting<Policy> optional_setting(std::string name, std::string meaning, std::optional<Number> Policy::*member, std::string none, Number least, Number most) {
  return {std::move(name), std::move(meaning), std::make_shared<detail::OptionalValue<Number>>(std::move(none), least, most), detail::offset_of(member)};
}

/// A setting that is one of a few words.
template <class Policy, class Choice>
[[nodiscard]] Setting<Policy> choice_setting(std::string name, std::string meaning, Choice Policy::*member, std::vector<std::pair<std::string, Choice>> choices) {
  return {std::move(name), std::move(meaning), std::make_shared<detail::ChoiceValue<Choice>>(std::move(choices)), detail::offset_of(member)};
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

/// The setting of a part as a setting of the whole it is a member of.
/// @param[in] prefix  stands in front of the name, where two parts would share one
template <class Whole, class Part>
[[nodiscard]] Setting<Whole> part_setting(Part Whole::*member, Setting<Part> const& setting, std::string const& prefix = "") {
  return {prefix + setting.name, setting.meaning, setting.value, detail::offset_of(member) + setting.offset};
}

/// The settings of a part as settings of the whole.
template <class Whole, class Part>
[[nodiscard]] std::vector<Setting<Whole>> part_settings(Part Whole::*member, std::vector<Setting<Part>> const& settings, std::string const& prefix = "") {
  std::vector<Setting<Whole>> lifted;
  lifted.reserve(settings.size());
  for (Setting<Part> const& setting : settings) { lifted.push_back(part_setting(member, setting, prefix)); }
  return lifted;
}

/// The settings of a base as settings of what is derived from it.
template <class Derived, class Base>
[[nodiscard]] std::vector<Setting<Derived>> inherited_settings(std::vector<Setting<Base>> const& settings) {
  Derived const derived{};
  std::ptrdiff_t const offset = reinterpret_cast<std::byte const*>(static_cast<Base const*>(&derived)) - reinterpret_cast<std::byte const*>(&derived);
  std::vector<Setting<Derived>> inherited;
  inherited.reserve(settings.size());
  for (Setting<Base> const& setting : settings) { inherited.push_back({setting.name, setting.meaning, setting.value, offset + setting.offset}); }
  return inherited;
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
