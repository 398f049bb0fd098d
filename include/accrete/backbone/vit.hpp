#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/backbone/hook.hpp>
#include <accrete/backbone/packed_vit.hpp>
#include <accrete/backbone/vit_blueprint.hpp>
#include <accrete/backbone/vit_pass.hpp>
#include <accrete/backbone/vit_training.hpp>
#include <accrete/core/sha256.hpp>
#include <accrete/fwd.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/tuning/frozen.hpp>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <typeindex>
#include <utility>
#include <vector>

namespace accrete {

namespace detail {
/// Packed weights by type of executor and precision.
struct PackedNetworks {
  std::mutex mutex;
  std::map<std::pair<std::type_index, Precision>, std::shared_ptr<void const>> networks;
};

/// A checkpoint that was opened as a vision transformer, and what its copies share.
struct OpenedVit {
  Checkpoint checkpoint;
  VitBlueprint blueprint;
  PositionResize positions;
  PackedNetworks packed;
  std::mutex mutex;  // of the hash
  std::string sha256;

  OpenedVit(Checkpoint opened, VitBlueprint read, PositionResize how) : checkpoint(std::move(opened)), blueprint(std::move(read)), positions(how) {}
};
}  // namespace detail

/// A vision transformer with published weights.
/// Cheap to copy; copies share the mapped file and the packed weights. Any number of threads may use one at once.
/// The weights are packed on first use for each type of executor and each precision, and stay packed while a copy lives.
/// An image's tokens and features depend on that image alone, bit for bit, whatever the batch, its order and the number of threads.
/// What a tuning learns is a part of the value: a copy has its own. At rest it is folded into the packed weights where the mathematics allows; layers it does not touch
/// share the published network's.
/// @tparam Tuning  BackboneTuning: what of the weights moves
/// @source Dosovitskiy et al., ICLR 2021, arXiv:2010.11929v2, as implemented by timm 1.0
template <class Tuning>
class Vit {
  static_assert(BackboneTuning<Tuning>);

 public:
  static constexpr std::string_view name = "vit";
  /// `vit`, or `vit<tuning>` where something of it learns.
  [[nodiscard]] static std::string composition() { return std::is_same_v<Tuning, Frozen> ? std::string(name) : message(name, '<', Tuning::name, '>'); }

  /// Opens a checkpoint; no weight is read yet.
  /// @param[in] path  a safetensors file, the index of a sharded one, or a folder with either
  /// @param[in] seed  draws the first values of what the tuning adds
  /// @throws FileError   when there is no complete vision transformer in it: all missing, misshapen and unexpected tensors are named
  /// @throws ValueError  for an option that does not fit the network
  [[nodiscard]] static Vit load(std::filesystem::path const& path, VitOptions const& options = {}, Tuning tuning = {}, std::uint64_t seed = 0) {
    return load(Checkpoint::open(path), options, std::move(tuning), seed);
  }
  [[nodiscard]] static Vit load(Checkpoint checkpoint, VitOptions const& options = {}, Tuning tuning = {}, std::uint64_t seed = 0) {
    auto blueprint = read_vit_blueprint(checkpoint, options);
    return Vit(std::make_shared<detail::OpenedVit>(std::move(checkpoint), std::move(blueprint), options.positions), std::move(tuning), {.seed = seed, .purpose = Purpose::initialisation});
  }

  /// The network that `trunk` opened, tuned in another way; file and packed published weights are shared.
  template <class Other>
  Vit(Vit<Other> const& trunk, Tuning tuning, RngKey const& key) : Vit(trunk.shared_, std::move(tuning), key) {}

  /// The network as published.
  [[nodiscard]] Vit<Frozen> trunk() const { return Vit<Frozen>(*this, Frozen{}, {}); }

  [[nodiscard]] Tuning const& tuning() const { return tuning_; }
  /// What the tuning has learned; nothing for `Frozen`.
  [[nodiscard]] ParameterStore<float> const& parameters() const { return parameters_; }

  /// Takes over what was learned.
  /// @throws ValueError  when the segments are not those of `parameters()`; nothing is changed then
  void assign(ParameterStore<float> parameters) {
    if (!(parameters.segments() == parameters_.segments())) {
      fail<ValueError>("Vit::assign", "the segments must be those of the tuning ", Tuning::name, " (came: ", parameters.size(), " for ", parameters_.size(), ")");
    }
    parameters_ = std::move(parameters);
    forget_packed();
  }

  [[nodiscard]] VitShape const& shape() const { return shared_->blueprint.shape; }
  [[nodiscard]] Index width() const { return shape().width; }
  [[nodiscard]] Index depth() const { return shape().depth; }
  [[nodiscard]] Index heads() const { return shape().heads; }
  /// Rows that stand in front of the patches.
  [[nodiscard]] Index prefix_tokens() const { return shape().prefix_tokens(); }
  [[nodiscard]] Preprocessing const& preprocessing() const { return shared_->blueprint.preprocessing; }
  /// What was opened.
  [[nodiscard]] std::filesystem::path const& path() const { return shared_->checkpoint.path(); }
  /// Where each property came from, for people.
  [[nodiscard]] std::vector<Provenance> const& provenance() const { return shared_->blueprint.provenance; }
  /// How the file's names were read: the naming, its wrapper, and what is not used.
  [[nodiscard]] NameMap const& names() const { return shared_->blueprint.names; }

  /// SHA-256 of the weights' bytes. Reads the whole file on the first call.
  [[nodiscard]] std::string const& sha256() const {
    std::lock_guard const lock(shared_->mutex);
    if (shared_->sha256.empty()) {
      shared_->sha256 = shared_->checkpoint.sha256();
      shared_->checkpoint.forget();
    }
    return shared_->sha256;
  }

  /// Names what the features depend on beside the image: the weights, and every option that changes what they compute.
  /// Learned values count, what they are called and how they are used as well.
  [[nodiscard]] std::string hash() const {
    std::string text = message(sha256(), ' ', shape().text(), " positions=", name_of(shared_->positions));
    Sha256 digest;
    if (parameters_.size() > 0) {
      text += message(" tuning=", Tuning::name, ' ', tuning_.form().text());
      for (ParameterSegment const& segment : parameters_.segments()) { text += ' ' + segment.name; }
      digest.update(std::as_bytes(std::span(parameters_.values().data(), static_cast<std::size_t>(parameters_.values().size()))));
    }
    digest.update(std::as_bytes(std::span(text)));
    return digest.hex();
  }

  /// Packs the weights now instead of on first use.
  template <class Exec>
  void prepare(Exec const& exec) const {
    static_cast<void>(packed(exec));
  }

  /// Images to tokens, positions added.
  /// @param[in] images [B, channels, H, W] preprocessed, in the executor's memory
  /// @returns   [B, T, D]
  /// @throws ShapeError  when the images do not have the network's size
  template <class Exec>
  [[nodiscard]] Tensor<float, 3, typename Exec::Memory> embed(Exec const& exec, TensorView<float const, 4> images) const {
    check_images(images);
    Tensor<float, 3, typename Exec::Memory> tokens({images.extent(0), shape().tokens(), width()});
    if (tokens.empty()) { return tokens; }
    auto const model = packed(exec);
    VitPass<Exec>(exec, *model, shape()).embed(images, tokens.view());
    return tokens;
  }

  /// The plain pass: tokens as `embed` gives them to features.
  /// With token pooling only the pooled rows of the last block are computed.
  /// @param[in] tokens [B, T, D] in the executor's memory
  /// @returns   [B, D]
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> query(Exec const& exec, TensorView<float const, 3> tokens) const {
    check_tokens(tokens);
    Matrix<float, typename Exec::Memory> features({tokens.extent(0), width()});
    if (features.empty()) { return features; }
    auto const model = packed(exec);
    VitPass<Exec>(exec, *model, shape(), tails(exec)).query(tokens, features.view());
    return features;
  }

  /// Images to features: `query(embed(images))` without the tokens in between; images of any number at little memory.
  /// @param[in] images [B, channels, H, W] preprocessed, in host memory
  /// @returns   [B, D] in the executor's memory
  /// @throws ShapeError  when the images do not have the network's size
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images) const {
    check_images(images);
    Matrix<float, typename Exec::Memory> features({images.extent(0), width()});
    if (features.empty()) { return features; }
    auto const model = packed(exec);
    auto const behind = tails(exec);
    VitPass<Exec> const pass(exec, *model, shape(), behind);
    if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
      pass.features(images, features.view());
    } else {
      for (Index first = 0; first < images.extent(0); first += images_at_once) {
        auto const part = images.slice(first, std::min(images_at_once, images.extent(0) - first));
        auto const uploaded = model->scratch.template lease<float>(part.shape());
        kernels::upload(exec, part, uploaded.view());
        pass.features(uploaded.view(), features.view().slice(first, part.extent(0)));
      }
    }
    return features;
  }

  /// The pass bent by a hook.
  /// @param[in] tokens [B, T, D] as `embed` gives them, in the executor's memory
  /// @param     hook   see backbone/hook.hpp; asked in order of the blocks
  /// @returns   [B, T', D] all tokens after the final norm (before it where the norm stands behind the pool, or class attention in its place); T' counts inserted rows
  /// @throws ShapeError  when what the hook gives does not fit
  template <class Exec, class Hook>
  [[nodiscard]] Tensor<float, 3, typename Exec::Memory> forward(Exec const& exec, TensorView<float const, 3> tokens, Hook&& hook) const {
    check_tokens(tokens);
    if (tokens.empty()) { return Tensor<float, 3, typename Exec::Memory>(tokens.shape()); }
    auto const model = packed(exec);
    return VitPass<Exec>(exec, *model, shape(), tails(exec)).forward(tokens, hook);
  }

  /// Images to features through a hook.
  /// @param[in] images [B, channels, H, W] preprocessed, in the executor's memory
  /// @returns   [B, D]; rows that were put into the sequence are not pooled
  template <class Exec, class Hook>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images, Hook&& hook) const {
    return features_behind(exec, embed(exec, images).cview(), 0, hook);
  }

  /// What a bent pass begins with, in one run: the tokens in front of the first block that is bent, and the feature of the plain network.
  /// @param[in]  images  [B, channels, H, W] preprocessed, in the executor's memory;  @param[in] first  block in [0, depth]
  /// @param[out] tokens  [B, T, D] in the executor's memory;  @param[out] queries [B, D], as `query` gives them, or empty: then they are not computed
  /// @throws ShapeError  when the images do not have the network's size
  template <class Exec>
  void front(Exec const& exec, TensorView<float const, 4> images, Index first, TensorView<float, 3> tokens, MatrixView<float> queries) const {
    check_images(images);
    check_tokens(tokens);
    expects(first >= 0 && first <= depth() && (queries.empty() || queries.extent(0) == images.extent(0)), "Vit::front", "there must be such a block, and a query per image", first, depth(),
            queries.extent(0), images.extent(0));
    auto const model = packed(exec);
    VitPass<Exec>(exec, *model, shape(), tails(exec)).front(images, first, tokens, queries);
  }

  /// The features of the bent pass that goes on from `front`.
  /// @param[in] tokens [B, T, D] in front of block `first`;  @returns [B, D], both in the executor's memory
  template <class Exec, class Hook>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features_behind(Exec const& exec, TensorView<float const, 3> tokens, Index first, Hook&& hook) const {
    check_tokens(tokens);
    Matrix<float, typename Exec::Memory> features({tokens.extent(0), width()});
    if (features.empty()) { return features; }
    auto const model = packed(exec);
    VitPass<Exec>(exec, *model, shape(), tails(exec)).features_hooked(tokens, hook, features.view(), first);
    return features;
  }

  /// The features of several networks, side by side, at the cost of one run through the trunk that they share.
  /// @param[in] networks  of one opened file, at least one
  /// @param[in] images    [B, channels, H, W] preprocessed, in the executor's memory
  /// @param     hook      bends the trunk
  /// @returns   [B, networks * D] in the executor's memory
  /// @throws ShapeError  when the images do not have the network's size;  ValueError  for networks of several files, or none
  template <class Exec, class Hook>
  [[nodiscard]] static Matrix<float, typename Exec::Memory> features_side_by_side(Exec const& exec, std::span<Vit const> networks, TensorView<float const, 4> images,
                                                                                  Hook&& hook) requires LeavesTrunk<Tuning> {
    if (networks.empty()) { fail<ValueError>("Vit::features_side_by_side", "needs a network"); }
    Vit const& any = networks.front();
    Tails<Exec> behind;
    for (Vit const& network : networks) {
      if (network.shared_ != any.shared_) { fail<ValueError>("Vit::features_side_by_side", "all networks must share a trunk: ", network.path().string(), " and ", any.path().string()); }
      behind.push_back(network.tails(exec).front());
    }
    Matrix<float, typename Exec::Memory> features({images.extent(0), any.width() * static_cast<Index>(networks.size())});
    auto const tokens = any.embed(exec, images);
    if (tokens.empty()) { return features; }
    auto const model = any.packed(exec);
    VitPass<Exec>(exec, *model, any.shape(), behind).features_hooked(tokens.cview(), hook, features.view());
    return features;
  }

  /// A stage of learning from the values as they are now.
  /// @tparam T  scalar of activations, of the executor's precision
  /// @param[in] read_rows  how many first rows a hook has the feature made of; 0: as the network reads it
  template <class T, class Exec>
  [[nodiscard]] VitTraining<Exec, T> training(Exec const& exec, ParameterStore<SumScalar<T>> const& parameters, Index read_rows = 0) const {
    VitParameters const published(shared_->checkpoint, shared_->blueprint);
    auto const read = [&](std::string const& tensor) { return published_values<SumScalar<T>>(published, tensor); };
    std::shared_ptr<PackedVit<Exec> const> ready;
    if constexpr (!std::is_same_v<T, double>) {
      if (leaves_large_layers(parameters_, depth())) { ready = trunk().packed(exec); }
    }
    VitTraining<Exec, T> stage(exec, shape(), published.positioned(), nn::LayerParameters<SumScalar<T>>(read, parameters), tuning_.form(), read_rows, ready.get());
    shared_->checkpoint.forget();  // what stands still was packed, what learns was copied
    return stage;
  }

  /// The plain pass with all its tokens.
  template <class Exec>
  [[nodiscard]] Tensor<float, 3, typename Exec::Memory> forward(Exec const& exec, TensorView<float const, 3> tokens) const {
    return forward(exec, tokens, NoHook{});
  }

  /// The feature out of the tokens that `forward` returns.
  /// @param[in] tokens      [B, T, D] in the executor's memory
  /// @param[in] first_patch where the patches begin; more than `prefix_tokens()` when rows were inserted in front of them
  /// @returns   [B, D]
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> pool(Exec const& exec, TensorView<float const, 3> tokens, std::optional<Index> first_patch = std::nullopt) const {
    expects(tokens.extent(2) == width() && tokens.extent(1) > first_patch.value_or(prefix_tokens()), "Vit::pool", "tokens must be [B, T, width]", tokens.extent(1), tokens.extent(2), width());
    Matrix<float, typename Exec::Memory> features({tokens.extent(0), width()});
    if (features.empty()) { return features; }
    auto const model = packed(exec);
    VitPass<Exec>(exec, *model, shape(), tails(exec)).pool(tokens, first_patch.value_or(prefix_tokens()), features.view());
    return features;
  }

  /// Records in a model file how this network was opened; the weights themselves stay where they are.
  /// @tparam Writer  a scope of `ModelWriter`
  template <class Writer>
  void write(Writer const& writer) const {
    writer.setting("file", std::filesystem::absolute(path()).string());
    writer.setting("sha256", sha256());
    writer.setting("heads", heads());
    writer.setting("epsilon", shape().epsilon);
    writer.setting("activation", name_of(shape().activation));
    writer.setting("image_height", shape().image_height);
    writer.setting("image_width", shape().image_width);
    writer.setting("pool", name_of(shape().pool));
    writer.setting("positions", name_of(shared_->positions));
    writer.setting("preprocessing", preprocessing().text());
    if (parameters_.size() > 0) {
      auto const settings = writer.scope("tuning");
      for (auto const& setting : Tuning::settings()) { settings.setting(setting.name, setting.text(tuning_)); }
      parameters_.write(writer.scope("parameters"));
    }
  }

  /// Opens the network that a model file records, with the options it was opened with.
  /// @tparam Reader  a scope of `ModelReader`
  /// @param[in] elsewhere  where the checkpoint lies now; where it lay then when empty
  /// @throws FileError  when it is not there or not a network of these options
  template <class Reader>
  [[nodiscard]] static Vit read(Reader const& reader, std::filesystem::path const& elsewhere = {}) {
    VitOptions options;
    options.heads = reader.template setting<Index>("heads");
    options.epsilon = reader.template setting<double>("epsilon");
    options.activation = value_named("activation", reader.template setting<std::string>("activation"), {kernels::Activation::gelu, kernels::Activation::quick_gelu, kernels::Activation::relu});
    options.image_height = reader.template setting<Index>("image_height");
    options.image_width = reader.template setting<Index>("image_width");
    options.pool = value_named("pool", reader.template setting<std::string>("pool"), {Pool::token, Pool::average, Pool::token_and_distillation});
    options.positions = value_named("positions", reader.template setting<std::string>("positions"), {PositionResize::antialias, PositionResize::plain});
    options.preprocessing = Preprocessing::parse(reader.template setting<std::string>("preprocessing"));
    Vit opened = load(elsewhere.empty() ? std::filesystem::path(reader.template setting<std::string>("file")) : elsewhere, options);
    opened.read_learned(reader);
    return opened;
  }

  /// Takes over what a model file says the tuning has learned.
  /// @throws FileError  when it does not fit this network
  template <class Reader>
  void read_learned(Reader const& reader) {
    if constexpr (!std::is_same_v<Tuning, Frozen>) {
      auto const settings = reader.scope("tuning");
      for (auto const& setting : Tuning::settings()) { setting.assign(tuning_, settings.template setting<std::string>(setting.name)); }
      parameters_ = ParameterStore<float>::read(reader.scope("parameters"));
      forget_packed();
    }
  }

 private:
  /// Images uploaded to a device at once: more gain nothing and take memory.
  static constexpr Index images_at_once = 64;

  template <class Other>
  friend class Vit;

  Vit(std::shared_ptr<detail::OpenedVit> shared, Tuning tuning, RngKey const& key) : shared_(std::move(shared)), tuning_(std::move(tuning)) {
    VitParameters const published(shared_->checkpoint, shared_->blueprint);
    TunedNetwork const network{shape(), published.positioned(), [&](std::string const& tensor) { return published_values<float>(published, tensor); }};
    tuning_.declare(network, key, parameters_);
    forget_packed();
  }

  /// Published values in the scalar of learning; positions fitted to the images' grid.
  template <class S>
  [[nodiscard]] Vector<S> published_values(VitParameters const& published, std::string const& tensor) const {
    auto const convert = [](float const* from, Index count) {
      Vector<S> to({count});
      std::copy_n(from, count, to.begin());
      return to;
    };
    if (tensor == "pos_embed") {
      auto const rows = published.position_rows(shared_->positions);
      return convert(rows.data(), rows.size());
    }
    auto const values = published(tensor);
    return convert(values.vector().data(), values.vector().size());
  }

  /// What was packed belongs to other values from here on. Without learned values all copies of the opened network share one.
  void forget_packed() { packed_ = parameters_.size() == 0 ? std::shared_ptr<detail::PackedNetworks>(shared_, &shared_->packed) : std::make_shared<detail::PackedNetworks>(); }

  template <class Exec>
  [[nodiscard]] std::shared_ptr<PackedVit<Exec> const> packed(Exec const& exec) const {
    static_assert(Executor<Exec>);
    detail::PackedNetworks& own = LeavesTrunk<Tuning> ? shared_->packed : *packed_;
    std::lock_guard const lock(own.mutex);
    auto& slot = own.networks[{std::type_index(typeid(PackedVit<Exec>)), exec.precision}];
    if (slot == nullptr) {
      VitParameters const published(shared_->checkpoint, shared_->blueprint);
      std::shared_ptr<PackedVit<Exec> const> shared;
      if (!LeavesTrunk<Tuning> && parameters_.size() > 0 && leaves_large_layers(parameters_, depth())) { shared = trunk().packed(exec); }
      slot = std::make_shared<PackedVit<Exec> const>(pack_vit(exec, TunedParameters(published, parameters_, tuning_.form(), shared_->positions), shape(), shared.get()));
      exec.wait();
      shared_->checkpoint.forget();  // the packed weights are all that is needed from here on
    }
    return std::static_pointer_cast<PackedVit<Exec> const>(slot);
  }

  template <class Exec>
  using Tails = std::vector<std::shared_ptr<nn::ClassAttention<Exec> const>>;

  /// The block that reads the last rows in place of norm and pool; none where there is none.
  template <class Exec>
  [[nodiscard]] Tails<Exec> tails(Exec const& exec) const {
    if (!parameters_.contains(nn::ClassAttentionForm::token)) { return {}; }
    std::lock_guard const lock(packed_->mutex);
    auto& slot = packed_->networks[{std::type_index(typeid(nn::ClassAttention<Exec>)), exec.precision}];
    if (slot == nullptr) {
      VitParameters const published(shared_->checkpoint, shared_->blueprint);
      slot = std::make_shared<nn::ClassAttention<Exec> const>(pack_class_attention(exec, TunedParameters(published, parameters_, tuning_.form(), shared_->positions), shape()));
      exec.wait();
    }
    return {std::static_pointer_cast<nn::ClassAttention<Exec> const>(slot)};
  }

  void check_images(TensorView<float const, 4> images) const {
    VitShape const& s = shape();
    expects(images.extent(1) == s.channels && images.extent(2) == s.image_height && images.extent(3) == s.image_width, "Vit",
            message("images must be [B, ", s.channels, ", ", s.image_height, ", ", s.image_width, "]"), images.extent(0), images.extent(1), images.extent(2), images.extent(3));
  }

  void check_tokens(TensorView<float const, 3> tokens) const {
    expects(tokens.extent(1) == shape().tokens() && tokens.extent(2) == width(), "Vit", message("tokens must be [B, ", shape().tokens(), ", ", width(), "]"), tokens.extent(0), tokens.extent(1),
            tokens.extent(2));
  }

  std::shared_ptr<detail::OpenedVit> shared_;
  Tuning tuning_;
  ParameterStore<float> parameters_;
  std::shared_ptr<detail::PackedNetworks> packed_;
};
static_assert(BackboneAdapter<Vit<>>);

}  // namespace accrete
