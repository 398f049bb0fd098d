#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/train/prompted.hpp>

#include <utility>

namespace accrete {

/// What a task began with, at rest: a network and the prompt that bends it, by value, so that nothing the task learns reaches them.
/// A copied network shares its file and its packed weights with the original.
template <class Network, class Prompt>
class Teacher {
 public:
  Teacher(Network network, Prompt prompt, typename Prompt::State state) : network_(std::move(network)), prompt_(std::move(prompt)), state_(std::move(state)) {}

  /// @param[in] images [B, channels, H, W] preprocessed;  @param[out] features [B, D], both host memory
  template <class Exec>
  void features(Exec const& exec, TensorView<float const, 4> images, MatrixView<float> features) const {
    auto const there = Prompted(network_, prompt_, state_).features(exec, images);
    kernels::download(exec, there.cview(), features);
  }

 private:
  Network network_;
  Prompt prompt_;
  typename Prompt::State state_;
};

}  // namespace accrete
