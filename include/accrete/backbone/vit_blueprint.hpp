#pragma once

#include <accrete/backbone/families.hpp>
#include <accrete/backbone/names.hpp>
#include <accrete/backbone/position_table.hpp>
#include <accrete/backbone/vit_config.hpp>
#include <accrete/backbone/vit_options.hpp>
#include <accrete/backbone/vit_parameter_list.hpp>
#include <accrete/backbone/vit_shape.hpp>
#include <accrete/io/checkpoint.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// A vision transformer read off a checkpoint: its shape, where its parameters lie, and where each property came from. No parameter is read yet.
struct VitBlueprint {
  VitShape shape;
  NameMap names;
  PositionTable positions;
  Preprocessing preprocessing;
  std::vector<Provenance> provenance;
};

namespace detail {

/// The architecture as the shapes of a checkpoint's tensors say it.
class BlueprintReader {
 public:
  using Extents = std::vector<Index>;

  BlueprintReader(Checkpoint const& checkpoint, VitOptions const& options) : checkpoint_(checkpoint), options_(options), source_(checkpoint.path().string()) {}

  [[nodiscard]] VitBlueprint read() {
    auto const names = checkpoint_.names();
    result_.names = map_names(names, source_);
    if (auto const text = checkpoint_.config()) { config_ = VitConfig::parse(*text, source_); }
    note("naming", std::string(result_.names.dialect->name) + (result_.names.prefix.empty() ? "" : " behind '" + result_.names.prefix + "'"), "names");
    check_pool_is_known();
    read_embedding();
    read_blocks();
    check_tensors();
    read_positions();
    read_what_shapes_cannot_say();
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool has(std::string_view canonical) const { return result_.names.tensors.find(canonical) != result_.names.tensors.end(); }

  [[nodiscard]] static Extents without_leading_ones(Extents shape) {
    while (shape.size() > 1 && shape.front() == 1) { shape.erase(shape.begin()); }
    return shape;
  }

  /// Extents without ones in front, parts put under each other; empty when a part is missing or unlike the others.
  [[nodiscard]] Extents extents(std::string_view canonical) const {
    auto const tensor = result_.names.tensors.find(canonical);
    if (tensor == result_.names.tensors.end()) { return {}; }
    auto const& names = tensor->second.names;
    if (std::any_of(names.begin(), names.end(), [](std::string const& name) { return name.empty(); })) { return {}; }
    Extents whole = without_leading_ones(checkpoint_.entry(names.front()).shape);
    bool const alike = std::all_of(names.begin(), names.end(), [&](std::string const& name) { return without_leading_ones(checkpoint_.entry(name).shape) == whole; });
    if (whole.empty() || !alike) { return {}; }
    whole.front() *= static_cast<Index>(names.size());
    return whole;
  }

  template <class... Parts>
  [[noreturn]] void refuse(Parts const&... parts) const {
    fail<FileError>(source_, parts...);
  }

  void note(std::string property, std::string value, std::string read_from) { result_.provenance.push_back({std::move(property), std::move(value), std::move(read_from)}); }

  void check_pool_is_known() const {
    for (std::string const& name : result_.names.unexpected) {
      if (name.find("attn_pool.latent") != std::string::npos) { refuse("the network pools by attention ('", name, "', SigLIP), which is not built; there are token and average pooling"); }
    }
  }

  void read_embedding() {
    VitShape& shape = result_.shape;
    auto const patch = extents("patch_embed.proj.weight");
    if (patch.size() != 4 || patch[2] != patch[3] || *std::min_element(patch.begin(), patch.end()) < 1) {
      refuse("'", result_.names.spelling("patch_embed.proj.weight").front(), "' must be [width, channels, patch, patch] (came: ", describe("patch_embed.proj.weight"), ")");
    }
    shape.width = patch[0];
    shape.channels = patch[1];
    shape.patch = patch[2];
    shape.patch_bias = has("patch_embed.proj.bias");
    shape.class_token = has("cls_token");
    shape.distillation_token = has("dist_token");
    shape.pre_norm = has("norm_pre.weight") || has("norm_pre.bias");
    shape.fc_norm = has("fc_norm.weight") || has("fc_norm.bias");
    auto const registers = extents("reg_token");
    shape.registers = has("reg_token") ? (registers.size() == 2 ? registers[0] : 1) : 0;
    note("width", message(shape.width), "shapes");
    note("channels", message(shape.channels), "shapes");
    note("patch", message(shape.patch), "shapes");
  }

  void read_blocks() {
    VitShape& shape = result_.shape;
    std::set<Index> blocks;
    shape.qkv_bias = shape.layer_scale = false;
    for (auto const& [name, parts] : result_.names.tensors) {
      if (name.compare(0, 7, "blocks.") != 0) { continue; }
      auto const end = name.find('.', 7);
      blocks.insert(end - 7 > 6 ? -1 : std::stoll(name.substr(7, end - 7)));
      shape.qkv_bias = shape.qkv_bias || name.compare(end, std::string::npos, ".attn.qkv.bias") == 0;
      shape.layer_scale = shape.layer_scale || name.compare(end, 3, ".ls") == 0;
    }
    // As many blocks as there are different numbers: a gap shows as missing and unexpected names, and a huge number costs nothing.
    shape.depth = std::max<Index>(1, static_cast<Index>(blocks.size()));
    auto const hidden = extents("blocks.0.mlp.fc1.weight");
    shape.hidden = hidden.empty() ? 4 * shape.width : hidden[0];
    note("depth", message(shape.depth), "shapes");
    note("hidden", message(shape.hidden), "shapes");
  }

  void check_tensors() const {
    std::vector<std::string> missing;
    std::vector<std::string> misshapen;
    std::vector<std::string> unexpected = result_.names.unexpected;
    std::set<std::string, std::less<>> known;
    for (auto const& [name, shape] : parameters_of(result_.shape)) {
      known.insert(name);
      auto const tensor = result_.names.tensors.find(name);
      std::vector<std::string> const stored = tensor == result_.names.tensors.end() ? result_.names.spelling(name) : absent_parts(name, tensor->second);
      missing.insert(missing.end(), stored.begin(), stored.end());
      if (tensor == result_.names.tensors.end() || !stored.empty()) { continue; }
      auto const found = extents(name);
      bool const fits = name == "pos_embed" ? (found.size() == 2 && found[1] == shape[1]) || found == Extents{shape[1]} : found == shape;
      if (!fits || !holds_numbers(tensor->second)) { misshapen.push_back(message(describe(name), ", not ", shape_text(shape))); }
    }
    for (auto const& [name, parts] : result_.names.tensors) {
      if (known.find(name) != known.end()) { continue; }
      std::copy_if(parts.names.begin(), parts.names.end(), std::back_inserter(unexpected), [](std::string const& stored) { return !stored.empty(); });
    }
    if (missing.empty() && misshapen.empty() && unexpected.empty()) { return; }
    refuse("is not a complete vision transformer;", list(" missing: ", missing), list(" misshapen: ", misshapen), list(" unexpected: ", unexpected));
  }

  [[nodiscard]] std::vector<std::string> absent_parts(std::string const& canonical, TensorParts const& parts) const {
    std::vector<std::string> absent;
    auto const spelled = result_.names.spelling(canonical);
    for (std::size_t i = 0; i < parts.names.size(); ++i) {
      if (parts.names[i].empty()) { absent.push_back(i < spelled.size() ? spelled[i] : canonical); }
    }
    return absent;
  }

  [[nodiscard]] bool holds_numbers(TensorParts const& parts) const {
    return std::all_of(parts.names.begin(), parts.names.end(), [&](std::string const& name) {
      ScalarType const type = checkpoint_.entry(name).type;
      return type == ScalarType::f32 || type == ScalarType::f16 || type == ScalarType::bf16 || type == ScalarType::f64;
    });
  }

  [[nodiscard]] static std::string shape_text(Extents const& shape) {
    std::string text = "[";
    for (std::size_t axis = 0; axis < shape.size(); ++axis) { text += message(axis == 0 ? "" : ", ", shape[axis] == 0 ? "rows" : message(shape[axis])); }
    return text + "]";
  }

  [[nodiscard]] std::string describe(std::string const& canonical) const {
    auto const tensor = result_.names.tensors.find(canonical);
    std::string text;
    if (tensor == result_.names.tensors.end()) { return canonical; }
    for (std::string const& name : tensor->second.names) {
      if (!name.empty()) { text += message(text.empty() ? "" : " + ", "'", name, "' is ", checkpoint_.entry(name).text()); }
    }
    return text;
  }

  [[nodiscard]] static std::string list(std::string_view title, std::vector<std::string> const& names) {
    constexpr std::size_t most = 60;  // an error a person can read
    if (names.empty()) { return {}; }
    std::string text(title);
    for (std::size_t i = 0; i < std::min(names.size(), most); ++i) { text += (i == 0 ? "" : ", ") + names[i]; }
    return text + (names.size() > most ? message(" and ", names.size() - most, " more;") : ";");
  }

  void read_positions() {
    VitShape& shape = result_.shape;
    auto const extent = extents("pos_embed");
    Index const rows = extent.size() == 2 ? extent[0] : 1;
    Index const wanted_height = options_.image_height.value_or(options_.image_width.value_or(0));
    Index const wanted_width = options_.image_width.value_or(wanted_height);
    if (options_.image_height || options_.image_width) {
      if (wanted_height < shape.patch || wanted_width < shape.patch || wanted_height > 65536 || wanted_width > 65536) {
        fail<ValueError>("VitOptions", "the image must hold at least one patch of ", shape.patch, " pixels and at most 65536 pixels a side (came: ", wanted_height, " x ", wanted_width, ")");
      }
    }
    bool const timm_registers = result_.names.dialect == &dialects.front() && shape.registers > 0 && result_.names.tensors.at("reg_token").names.front().find("register_tokens") == std::string::npos;
    auto const found = find_position_table({.rows = rows,
                                            .prefix_tokens = shape.prefix_tokens(),
                                            .has_registers = shape.registers > 0 && shape.class_token,
                                            .registers_as_in_timm = timm_registers,
                                            .stated = {config_.image_height.value_or(0) / shape.patch, config_.image_width.value_or(0) / shape.patch},
                                            .asked = {wanted_height / shape.patch, wanted_width / shape.patch}});
    if (!found) { refuse(describe("pos_embed"), ", which is no square grid of patches beside ", shape.prefix_tokens(), " prefix rows; name the image's height and width"); }
    result_.positions = *found;
    PositionTable const& table = result_.positions;
    shape.no_embed_class = shape.prefix_tokens() > 0 && table.outside != shape.prefix_tokens();
    bool const asked = wanted_height > 0;
    bool const stated = !asked && config_.image_height && *config_.image_height / shape.patch == table.height && *config_.image_width / shape.patch == table.width;
    shape.image_height = asked ? wanted_height : stated ? *config_.image_height : table.height * shape.patch;
    shape.image_width = asked ? wanted_width : stated ? *config_.image_width : table.width * shape.patch;
    note("image", message(shape.image_height, " x ", shape.image_width), asked ? "options" : stated ? "config.json" : "shapes");
    bool const resized = shape.grid_height() != table.height || shape.grid_width() != table.width;
    note("positions", message(table.height, " x ", table.width, resized ? message(" resized to ", shape.grid_height(), " x ", shape.grid_width(), ", ", name_of(options_.positions)) : std::string()),
         "shapes");
  }

  void read_what_shapes_cannot_say() {
    read_heads();
    read_pool();
    VitShape& shape = result_.shape;
    NameDefaults const& defaults = result_.names.dialect->defaults;
    if (options_.epsilon && !(*options_.epsilon >= 0 && *options_.epsilon < 1)) { fail<ValueError>("VitOptions", "epsilon must lie in [0, 1) (came: ", *options_.epsilon, ")"); }
    // Every published network with a norm before its blocks is a CLIP tower, and every CLIP tower uses 1e-5; transformers gave DINOv2 timm's value.
    double const assumed_epsilon = shape.pre_norm ? 1e-5 : shape.layer_scale ? 1e-6 : defaults.epsilon;
    shape.epsilon = options_.epsilon.value_or(config_.epsilon.value_or(assumed_epsilon));
    note("epsilon", exact_text(shape.epsilon), options_.epsilon ? "options" : config_.epsilon ? "config.json" : "assumed: the naming's default");
    auto const assumed_activation = defaults.quick_gelu ? kernels::Activation::quick_gelu : kernels::Activation::gelu;
    shape.activation = options_.activation.value_or(config_.activation.value_or(assumed_activation));
    note("activation", std::string(name_of(shape.activation)), options_.activation ? "options" : config_.activation ? "config.json" : "assumed: the naming's default");
    result_.preprocessing = options_.preprocessing.value_or(standard_preprocessing(shape, config_));
    if (result_.preprocessing.height != shape.image_height || result_.preprocessing.width != shape.image_width) {
      fail<ValueError>("VitOptions", "preprocessing must end in the network's ", shape.image_height, " x ", shape.image_width, " pixels (came: ", result_.preprocessing.height, " x ",
                       result_.preprocessing.width, ")");
    }
    note("preprocessing", result_.preprocessing.text(), options_.preprocessing ? "options" : config_.mean ? "config.json" : message("assumed: family ", family_of(shape).name));
  }

  void read_heads() {
    VitShape& shape = result_.shape;
    constexpr Index usual_width = 64;
    bool const usual = shape.width % usual_width == 0;
    if (!options_.heads && !config_.heads && !usual) {
      refuse("the number of attention heads cannot be read from the weights, and a width of ", shape.width, " is no multiple of the usual ", usual_width, " a head; say how many there are");
    }
    shape.heads = options_.heads.value_or(config_.heads.value_or(shape.width / usual_width));
    if (shape.heads < 1 || shape.width % shape.heads != 0) {
      if (options_.heads) { fail<ValueError>("VitOptions", "the heads must divide the width ", shape.width, " (came: ", shape.heads, ")"); }
      refuse("the configuration's ", shape.heads, " attention heads do not divide the width ", shape.width);
    }
    note("heads", message(shape.heads), options_.heads ? "options" : config_.heads ? "config.json" : "assumed: 64 channels a head");
  }

  void read_pool() {
    VitShape& shape = result_.shape;
    Pool const standard = shape.fc_norm || !shape.class_token ? Pool::average : shape.distillation_token ? Pool::token_and_distillation : Pool::token;
    // timm calls the pooling of distilled networks `token` too.
    bool const configured = config_.pool && !shape.distillation_token && !options_.pool;
    shape.pool = options_.pool.value_or(configured ? *config_.pool : standard);
    if (shape.pool != Pool::average && !shape.class_token) { fail<ValueError>("VitOptions", "the network has no class token to pool; choose average"); }
    if (shape.pool == Pool::token_and_distillation && !shape.distillation_token) { fail<ValueError>("VitOptions", "the network has no distillation token to pool"); }
    note("pool", std::string(name_of(shape.pool)), options_.pool ? "options" : configured ? "config.json" : "shapes");
  }

  Checkpoint const& checkpoint_;
  VitOptions const& options_;
  std::string source_;
  VitConfig config_;
  VitBlueprint result_;
};

}  // namespace detail

/// Reads the architecture of a vision transformer off the names and shapes of a checkpoint; no parameter is touched.
/// @throws FileError   naming all missing, misshapen and unexpected tensors at once, or what else the file cannot be
/// @throws ValueError  for an option that does not fit the network
[[nodiscard]] inline VitBlueprint read_vit_blueprint(Checkpoint const& checkpoint, VitOptions const& options = {}) { return detail::BlueprintReader(checkpoint, options).read(); }

}  // namespace accrete
