#pragma once

#include <accrete/backbone/vit_shape.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/io/strict_json.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  ConfigFields(Json const& object, std::string_view source) : object_(object), source_(source) {}

  /// A field that is there and not null.
  [[nodiscard]] Json const* find(char const* name) const {
    Json const* const field = object_.find(name);
    return field == nullptr || field->is_null() ? nullptr : field;
  }

  [[nodiscard]] std::optional<Index> count(char const* name) const {
    Json const* const field = find(name);
    return field != nullptr ? std::optional(count(name, *field)) : std::nullopt;
  }

  [[nodiscard]] Index count(char const* name, Json const& field) const {
    auto const value = field.as<Index>();
    if (!value || *value < 1 || *value > 1'000'000) { refuse(name, field); }
    return *value;
  }

  [[nodiscard]] std::optional<double> number(char const* name) const {
    Json const* const field = find(name);
    if (field == nullptr) { return std::nullopt; }
    auto const value = field->as<double>();
    if (!value || !(*value >= 0)) { refuse(name, *field); }
    return value;
  }

  [[nodiscard]] std::optional<std::string> word(char const* name) const {
    Json const* const field = find(name);
    return field != nullptr ? field->as<std::string>() : std::nullopt;
  }

  [[nodiscard]] std::optional<std::array<float, 3>> channels(char const* name) const {
    Json const* const field = find(name);
    if (field == nullptr) { return std::nullopt; }
    auto const given = field->as<std::vector<float>>();
    std::array<float, 3> values{};
    if (!given || given->size() != values.size()) { refuse(name, *field); }
    std::copy(given->begin(), given->end(), values.begin());
    return values;
  }

  [[noreturn]] void refuse(char const* name, Json const& field) const { fail<FileError>(source_, "'", name, "' cannot be ", field.dump().substr(0, 80)); }

 private:
  Json const& object_;
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
  Json const* const field = fields.find(name);
  if (field == nullptr) { return; }
  Json::List const* const extents = field->list();
  if (extents == nullptr) {
    config.image_height = config.image_width = fields.count(name, *field);
    return;
  }
  if (extents->size() < 2 || extents->size() > 3) { fields.refuse(name, *field); }
  for (Json const& extent : *extents) { static_cast<void>(fields.count(name, extent)); }
  config.image_height = fields.count(name, (*extents)[extents->size() - 2]);
  config.image_width = fields.count(name, extents->back());
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
  Json const json = parse_strict_json(text, source);
  if (json.object() == nullptr) { fail<FileError>(source, "the configuration is not a JSON object"); }
  VitConfig config;
  detail::ConfigFields const fields(json, source);
  detail::read_transformers(fields, source, config);
  if (Json const* const vision = fields.find("vision_config"); vision != nullptr && vision->object() != nullptr) { detail::read_transformers(detail::ConfigFields(*vision, source), source, config); }
  if (Json const* const pretrained = fields.find("pretrained_cfg"); pretrained != nullptr && pretrained->object() != nullptr) { detail::read_timm(detail::ConfigFields(*pretrained, source), config); }
  if (Json const* const arguments = fields.find("model_args"); arguments != nullptr && arguments->object() != nullptr) {
    detail::read_transformers(detail::ConfigFields(*arguments, source), source, config);
  }
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
