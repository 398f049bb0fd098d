#pragma once

#include <accrete/backbone/vit_shape.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/io/strict_json.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

namespace accrete {

/// What a `config.json` beside a checkpoint says, in the spelling of transformers or of timm; what it does not say is empty.
struct VitConfig {
  std::optional<Index> heads = std::nullopt;
  std::optional<double> epsilon = std::nullopt;
  std::optional<kernels::Activation> activation = std::nullopt;
  std::optional<Index> image_height = std::nullopt;
  std::optional<Index> image_width = std::nullopt;
  std::optional<Pool> pool = std::nullopt;
  std::optional<std::array<float, 3>> mean = std::nullopt;
  std::optional<std::array<float, 3>> deviation = std::nullopt;
  std::optional<Filter> filter = std::nullopt;
  std::optional<double> crop = std::nullopt;  ///< side of the crop divided by the shorter side of the resized image

  /// @param[in] source  for messages
  /// @throws FileError  when the text is not a JSON object or a field that is used cannot be what it says
  [[nodiscard]] static VitConfig parse(std::string_view text, std::string_view source);
};

namespace detail {

/// Reads typed fields of one JSON object.
class ConfigFields {
 public:
  ConfigFields(nlohmann::json const& object, std::string_view source) : object_(object), source_(source) {}

  [[nodiscard]] std::optional<Index> count(char const* name) const {
    auto const* const field = find(name);
    if (field == nullptr) { return std::nullopt; }
    if (!field->is_number_unsigned() || *field == 0U || *field > 1'000'000U) { refuse(name, *field); }
    return field->get<Index>();
  }

  [[nodiscard]] std::optional<double> number(char const* name) const {
    auto const* const field = find(name);
    if (field == nullptr) { return std::nullopt; }
    if (!field->is_number() || !std::isfinite(field->get<double>()) || field->get<double>() < 0) { refuse(name, *field); }
    return field->get<double>();
  }

  [[nodiscard]] std::optional<std::string> word(char const* name) const {
    auto const* const field = find(name);
    return field != nullptr && field->is_string() ? std::optional(field->get<std::string>()) : std::nullopt;
  }

  [[nodiscard]] std::optional<std::array<float, 3>> channels(char const* name) const {
    auto const* const field = find(name);
    if (field == nullptr) { return std::nullopt; }
    std::array<float, 3> values{};
    if (!field->is_array() || field->size() != values.size()) { refuse(name, *field); }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!(*field)[i].is_number()) { refuse(name, *field); }
      values[i] = (*field)[i].get<float>();
    }
    return values;
  }

  [[nodiscard]] nlohmann::json const* find(char const* name) const {
    auto const field = object_.find(name);
    return field == object_.end() || field->is_null() ? nullptr : &*field;
  }

  [[noreturn]] void refuse(char const* name, nlohmann::json const& field) const {
    fail<FileError>(source_, "'", name, "' cannot be ", field.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 80));
  }

 private:
  nlohmann::json const& object_;
  std::string_view source_;
};

[[nodiscard]] inline kernels::Activation activation_named(std::string_view name, std::string_view source) {
  if (name == "gelu" || name == "gelu_erf") { return kernels::Activation::gelu; }
  if (name == "quick_gelu") { return kernels::Activation::quick_gelu; }
  if (name == "relu") { return kernels::Activation::relu; }
  fail<FileError>(source, "the activation '", name, "' is not built (there are gelu, quick_gelu and relu)");
}

/// `input_size` [C, H, W] or [H, W], `image_size` one number or [H, W].
inline void read_image_size(ConfigFields const& fields, char const* name, VitConfig& config) {
  auto const* const field = fields.find(name);
  if (field == nullptr) { return; }
  if (!field->is_array()) {
    config.image_height = config.image_width = fields.count(name);
    return;
  }
  if (field->size() < 2 || field->size() > 3) { fields.refuse(name, *field); }
  for (auto const& extent : *field) {
    if (!extent.is_number_unsigned() || extent == 0U || extent > 1'000'000U) { fields.refuse(name, *field); }
  }
  config.image_height = (*field)[field->size() - 2].get<Index>();
  config.image_width = (*field)[field->size() - 1].get<Index>();
}

inline void read_transformers(ConfigFields const& fields, std::string_view source, VitConfig& config) {
  if (auto const heads = fields.count("num_attention_heads")) { config.heads = heads; }
  if (auto const heads = fields.count("num_heads")) { config.heads = heads; }
  if (auto const epsilon = fields.number("layer_norm_eps")) { config.epsilon = epsilon; }
  if (auto const activation = fields.word("hidden_act")) { config.activation = activation_named(*activation, source); }
  read_image_size(fields, "image_size", config);
}

inline void read_timm(ConfigFields const& fields, VitConfig& config) {
  config.mean = fields.channels("mean");
  config.deviation = fields.channels("std");
  config.crop = fields.number("crop_pct");
  if (auto const filter = fields.word("interpolation")) { config.filter = *filter == "bilinear" ? Filter::bilinear : Filter::bicubic; }
  read_image_size(fields, "input_size", config);
}

}  // namespace detail

inline VitConfig VitConfig::parse(std::string_view text, std::string_view source) {
  auto const json = parse_strict_json(text, std::string(source));
  if (!json.is_object()) { fail<FileError>(source, "the configuration is not a JSON object"); }
  VitConfig config;
  detail::ConfigFields const fields(json, source);
  detail::read_transformers(fields, source, config);
  if (auto const* const vision = fields.find("vision_config"); vision != nullptr && vision->is_object()) { detail::read_transformers(detail::ConfigFields(*vision, source), source, config); }
  if (auto const* const pretrained = fields.find("pretrained_cfg"); pretrained != nullptr && pretrained->is_object()) { detail::read_timm(detail::ConfigFields(*pretrained, source), config); }
  if (auto const* const arguments = fields.find("model_args"); arguments != nullptr && arguments->is_object()) { detail::read_transformers(detail::ConfigFields(*arguments, source), source, config); }
  // timm's names say which activation a CLIP tower was trained with; the weights cannot.
  if (auto const name = fields.word("architecture"); name && !config.activation) {
    config.activation = name->find("quickgelu") != std::string::npos ? kernels::Activation::quick_gelu : kernels::Activation::gelu;
  }
  if (auto const pool = fields.word("global_pool")) {
    if (*pool == "token") { config.pool = Pool::token; }
    if (*pool == "avg") { config.pool = Pool::average; }
  }
  return config;
}

}  // namespace accrete
