#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/stand_ins.hpp>
#include <accrete/core/tensor.hpp>

#include <concepts>
#include <string>
#include <string_view>

namespace accrete {

/// Says how wide its features are, and how deep and how divided it is.
template <class B>
concept HasWidth = requires(B const& backbone) {
  { backbone.width() } -> std::convertible_to<Index>;
  { backbone.depth() } -> std::convertible_to<Index>;
  { backbone.heads() } -> std::convertible_to<Index>;
};

/// Says how images must be prepared for it.
template <class B>
concept StatesPreprocessing = requires(B const& backbone) {
  { backbone.preprocessing() } -> std::convertible_to<Preprocessing>;
};

/// Names its weights and everything else its features depend on.
template <class B>
concept NamesItsWeights = requires(B const& backbone) {
  { backbone.hash() } -> std::convertible_to<std::string>;
};

/// Turns images into tokens, tokens into features, and images into features at once; no prompt takes part.
template <class B>
concept EncodesImages = requires(B const& backbone, detail::AnyExecutor const& exec, TensorView<float const, 4> images, TensorView<float const, 3> tokens) {
  { backbone.embed(exec, images) } -> std::same_as<Tensor<float, 3>>;
  { backbone.query(exec, tokens) } -> std::same_as<Matrix<float>>;
  { backbone.features(exec, images) } -> std::same_as<Matrix<float>>;
};

/// Runs its blocks with what a hook injects, and reads the feature out of the tokens.
template <class B>
concept AcceptsPrompts = requires(B const& backbone, detail::AnyExecutor const& exec, TensorView<float const, 3> tokens, NoHook hook) {
  { backbone.forward(exec, tokens, hook) } -> std::same_as<Tensor<float, 3>>;
  { backbone.pool(exec, tokens) } -> std::same_as<Matrix<float>>;
};

/// Turns images into features at once.
template <class B>
concept ExtractsFeatures = requires(B const& backbone, detail::AnyExecutor const& exec, TensorView<float const, 4> images) {
  { backbone.features(exec, images) } -> std::same_as<Matrix<float>>;
};

/// The least a learner of plain features needs: several networks side by side are one too, though they have no common tokens.
template <class B>
concept FeatureExtractor = std::copyable<B> && HasWidth<B> && StatesPreprocessing<B> && NamesItsWeights<B> && ExtractsFeatures<B>;

/// Bends the features by what a hook injects.
template <class B>
concept FeaturesUnderHooks = requires(B const& backbone, detail::AnyExecutor const& exec, TensorView<float const, 4> images, NoHook hook) {
  { backbone.features(exec, images, hook) } -> std::same_as<Matrix<float>>;
};

/// A pre-trained network with hook points: frozen features [B, D] and tokens [B, T, D], accepts prompts.
template <class B>
concept BackboneAdapter = std::copyable<B> && HasWidth<B> && StatesPreprocessing<B> && NamesItsWeights<B> && EncodesImages<B> && AcceptsPrompts<B>;

}  // namespace accrete
