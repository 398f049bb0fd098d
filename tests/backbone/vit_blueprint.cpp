#include "support/files.hpp"
#include "support/network.hpp"

#include <accrete/backbone/vit_blueprint.hpp>

#include <doctest/doctest.h>

#include <string>

namespace accrete::test::vit_blueprint_test {

namespace {

/// The blueprint of a toy file, changed by `change`.
template <class Change>
VitBlueprint read_changed(Change const& change, VitOptions const& options = {.heads = 2}) {
  TemporaryFolder const folder;
  ToyCheckpoint toy;
  change(toy);
  toy.write(folder / "toy.safetensors");
  return read_vit_blueprint(Checkpoint::open(folder / "toy.safetensors"), options);
}

template <class Change>
std::string error_of(Change const& change, VitOptions const& options = {.heads = 2}) {
  try {
    static_cast<void>(read_changed(change, options));
  } catch (Error const& error) { return error.what(); }
  return "no error";
}

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

std::string read_from(VitBlueprint const& blueprint, std::string const& property) {
  for (auto const& entry : blueprint.provenance) {
    if (entry.property == property) { return entry.read_from; }
  }
  return "nowhere";
}

}  // namespace

TEST_CASE("the architecture of every golden network is read off its file") {
  for (NetworkCase const& network : network_cases()) {
    if (!network.is_built()) { continue; }
    CAPTURE(network.name);
    auto const& a = network.architecture;
    VitOptions only_heads;
    only_heads.heads = a["heads"].get<Index>();
    if (network.name == "rectangle") {
      only_heads.image_height = 28;
      only_heads.image_width = 42;
    }
    auto const shape = read_vit_blueprint(Checkpoint::open(network.weights), only_heads).shape;
    CHECK(shape.image_height == a["image"][0]);
    CHECK(shape.image_width == a["image"][1]);
    CHECK(shape.patch == a["patch"]);
    CHECK(shape.width == a["width"]);
    CHECK(shape.depth == a["depth"]);
    CHECK(shape.hidden == a["hidden"]);
    CHECK(shape.registers == a["registers"]);
    CHECK(shape.class_token == a["class_token"]);
    CHECK(shape.distillation_token == a["distilled"]);
    CHECK(shape.pre_norm == a["pre_norm"]);
    CHECK(shape.layer_scale == a["layer_scale"]);
    CHECK(shape.no_embed_class == a["no_embed_class"]);
    CHECK(shape.qkv_bias == a["qkv_bias"]);
    CHECK(shape.fc_norm == a["fc_norm"]);
    CHECK(shape.tokens() == a["tokens"]);
    CHECK(shape.prefix_tokens() == a["prefix_tokens"]);
  }
}

TEST_CASE("a configuration beside the weights says what shapes cannot") {
  for (NetworkCase const& network : network_cases()) {
    if (!network.is_built() || network.config.empty()) { continue; }
    CAPTURE(network.name);
    TemporaryFolder const folder;
    std::filesystem::copy_file(network.weights, folder / "model.safetensors");
    std::filesystem::copy_file(network.config, folder / "config.json");
    auto const blueprint = read_vit_blueprint(Checkpoint::open(folder.path()));
    CHECK(blueprint.shape.heads == network.architecture["heads"]);
    CHECK(blueprint.shape.epsilon == network.architecture["eps"]);
    CHECK(name_of(blueprint.shape.activation) == network.architecture["activation"].get<std::string>());
    CHECK(read_from(blueprint, "heads") == "config.json");
    CHECK(read_from(blueprint, "epsilon") == "config.json");
    CHECK(read_from(blueprint, "width") == "shapes");
  }
}

TEST_CASE("options win over everything, and provenance says so") {
  auto const blueprint = read_changed([](ToyCheckpoint&) {}, {.heads = 4, .epsilon = 1e-3, .activation = kernels::Activation::relu, .image_height = 8, .pool = Pool::average});
  CHECK(blueprint.shape.heads == 4);
  CHECK(blueprint.shape.epsilon == 1e-3);
  CHECK(blueprint.shape.activation == kernels::Activation::relu);
  CHECK(blueprint.shape.image_height == 8);
  CHECK(blueprint.shape.image_width == 8);
  CHECK(blueprint.shape.pool == Pool::average);
  CHECK(blueprint.positions.height == 2);
  for (char const* const property : {"heads", "epsilon", "activation", "image", "pool"}) { CHECK(read_from(blueprint, property) == "options"); }
}

TEST_CASE("all missing, misshapen and unexpected tensors are named in one error") {
  auto const text = error_of([](ToyCheckpoint& toy) {
    toy.remove("blocks.1.attn.proj.bias");
    toy.remove("norm.weight");
    toy.add("blocks.0.mlp.fc2.weight", {8, 15});
    toy.add("blocks.0.attn.extra", {3});
  });
  CAPTURE(text);
  CHECK(has(text, "toy.safetensors: is not a complete vision transformer;"));
  CHECK(has(text, "missing: blocks.1.attn.proj.bias, norm.weight;"));
  CHECK(has(text, "misshapen: 'blocks.0.mlp.fc2.weight' is F32 [8, 15], not [8, 16];"));
  CHECK(has(text, "unexpected: blocks.0.attn.extra;"));
}

TEST_CASE("a gap between the blocks shows, and a huge block number costs nothing") {
  auto const text = error_of([](ToyCheckpoint& toy) {
    for (auto const& name : toy.names()) {
      if (name.rfind("blocks.1.", 0) == 0) { toy.rename(name, "blocks.99999999999999999999." + name.substr(9)); }
    }
  });
  CAPTURE(text);
  CHECK(has(text, "blocks.1.norm1.weight"));
  CHECK(has(text, "unexpected: blocks.99999999999999999999.attn.proj.bias"));
}

TEST_CASE("heads and classifiers are no part of the network and no error") {
  auto const blueprint = read_changed([](ToyCheckpoint& toy) {
    toy.add("head.weight", {10, 8});
    toy.add("head.bias", {10});
    toy.add("mask_token", {1, 8});
  });
  CHECK(blueprint.names.bystanders.size() == 3);
}

TEST_CASE("a wrapped network is found, and what lies beside it stands by") {
  auto const blueprint = read_changed([](ToyCheckpoint& toy) {
    toy.wrap("module.");
    toy.add("queue", {4, 4});
  });
  CHECK(blueprint.names.prefix == "module.");
  CHECK(blueprint.names.bystanders == std::vector<std::string>{"queue"});
}

TEST_CASE("missing parts of a tensor that is stored in parts are named as the file would") {
  auto const network = network_case("hf_vit");
  auto const file = SafetensorsFile::open(network.weights);
  TemporaryFolder const folder;
  SafetensorsWriter writer;
  for (auto const& name : file.names()) {
    if (name.find("layer.1.attention.attention.key.weight") == std::string::npos) { writer.add(name, file.entry(name).type, file.entry(name).shape, file.entry(name).bytes); }
  }
  writer.write(folder / "part.safetensors");
  CHECK_THROWS_WITH_AS(static_cast<void>(read_vit_blueprint(Checkpoint::open(folder / "part.safetensors"), network.options())), doctest::Contains("layer.1.attention.attention.key.weight"), FileError);
}

TEST_CASE("integer weights are refused by name") {
  TemporaryFolder const folder;
  auto const network = network_case("plain");
  auto const file = SafetensorsFile::open(network.weights);
  SafetensorsWriter writer;
  for (auto const& name : file.names()) { writer.add(name, name == "norm.bias" ? ScalarType::i32 : file.entry(name).type, file.entry(name).shape, file.entry(name).bytes); }
  writer.write(folder / "integers.safetensors");
  CHECK_THROWS_WITH_AS(static_cast<void>(read_vit_blueprint(Checkpoint::open(folder / "integers.safetensors"), network.options())), doctest::Contains("'norm.bias' is I32 [36]"), FileError);
}

TEST_CASE("options that do not fit the network are refused with the numbers") {
  auto const nothing = [](ToyCheckpoint&) {};
  CHECK(has(error_of(nothing, {}), "the number of attention heads cannot be read from the weights, and a width of 8 is no multiple of the usual 64 a head; say how many there are"));
  CHECK(has(error_of(nothing, {.heads = 3}), "the heads must divide the width 8 (came: 3)"));
  CHECK(has(error_of(nothing, {.heads = 0}), "the heads must divide the width 8 (came: 0)"));
  CHECK(has(error_of(nothing, {.heads = 2, .epsilon = -1.0}), "epsilon must lie in [0, 1) (came: -1)"));
  CHECK(has(error_of(nothing, {.heads = 2, .image_height = 1}), "the image must hold at least one patch of 2 pixels"));
  CHECK(has(error_of(nothing, {.heads = 2, .pool = Pool::token_and_distillation}), "the network has no distillation token to pool"));
  CHECK(has(error_of(nothing, {.heads = 2, .preprocessing = Preprocessing{}}), "preprocessing must end in the network's 4 x 4 pixels (came: 224 x 224)"));
  CHECK(has(error_of([](ToyCheckpoint& toy) { toy.add("pos_embed", {1, 8, 8}); }), "which is no square grid of patches beside 1 prefix rows"));
}

TEST_CASE("attention pooling is refused in words") {
  CHECK_THROWS_WITH_AS(static_cast<void>(read_vit_blueprint(Checkpoint::open(network_case("attention_pool").weights))),
                       doctest::Contains("pools by attention ('attn_pool.latent', SigLIP), which is not built"), FileError);
}

TEST_CASE("the family decides how images are prepared, unless somebody says it") {
  auto const preprocessing = [](std::string const& name) {
    auto const network = network_case(name);
    return read_vit_blueprint(Checkpoint::open(network.weights), network.options()).preprocessing;
  };
  CHECK(preprocessing("plain").mean[0] == 0.5F);
  CHECK(preprocessing("plain").resize_shorter == 0);
  CHECK(preprocessing("clip").mean[0] == doctest::Approx(0.48145466F));
  CHECK(preprocessing("distilled").mean[0] == doctest::Approx(0.485F));
  CHECK(preprocessing("registers").deviation[2] == doctest::Approx(0.225F));
  CHECK(preprocessing("no_qkv_bias").mean[0] == 0.0F);
  CHECK(preprocessing("no_qkv_bias").filter == Filter::bilinear);
  VitShape shape;
  CHECK(standard_preprocessing(shape, {}).resize_shorter == 248);
  shape.image_height = shape.image_width = 384;
  CHECK(standard_preprocessing(shape, {}).resize_shorter == 384);
  shape.layer_scale = true;
  shape.image_height = shape.image_width = 224;
  shape.patch = 14;
  CHECK(standard_preprocessing(shape, {}).resize_shorter == 224);
}

TEST_CASE("timm's configuration gives mean, filter and crop") {
  auto const config = VitConfig::parse(
      R"({"architecture": "vit_base_patch32_clip_quickgelu_224", "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "interpolation": "bilinear", "crop_pct": 0.95, "input_size": [3, 224, 256]}})",
      "config.json");
  CHECK(config.activation == kernels::Activation::quick_gelu);
  CHECK(config.mean->at(2) == 0.3F);
  CHECK(config.filter == Filter::bilinear);
  CHECK(config.crop == 0.95);
  CHECK(config.image_height == 224);
  CHECK(config.image_width == 256);
}

TEST_CASE("a configuration that cannot be what it says is refused") {
  for (char const* const text : {"[]", "{", R"({"num_attention_heads": -1})", R"({"num_attention_heads": "many"})", R"({"layer_norm_eps": "small"})", R"({"image_size": [1, 2, 3, 4]})",
                                 R"({"image_size": [0, 2]})", R"({"hidden_act": "gelu_new"})", R"({"pretrained_cfg": {"mean": [1, 2]}})"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(static_cast<void>(VitConfig::parse(text, "config.json")), FileError);
  }
}

}  // namespace accrete::test::vit_blueprint_test
