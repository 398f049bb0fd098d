#pragma once

#include <accrete/core/preprocessing.hpp>
#include <accrete/core/sha256.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/concept.hpp>

#include <span>
#include <string>
#include <type_traits>

namespace accrete {

/// A backbone with what a prompt injects, seen as one that needs no prompt. Both must outlive the view.
template <class Backbone, class Prompt>
class Prompted {
 public:
  Prompted(Backbone const& backbone, Prompt const& prompt, typename Prompt::State const& state) : backbone_(backbone), prompt_(prompt), state_(state) {}

  [[nodiscard]] Index width() const { return backbone_.width(); }
  [[nodiscard]] Preprocessing preprocessing() const { return backbone_.preprocessing(); }

  /// Names what the features depend on beside the image.
  [[nodiscard]] std::string hash() const {
    if constexpr (LearnedPrompt<Prompt>) {
      Sha256 digest;
      std::string const text = message(backbone_.hash(), ' ', Prompt::name);
      digest.update(std::as_bytes(std::span(text)));
      auto const values = state_.parameters().values();
      digest.update(std::as_bytes(std::span(values.data(), static_cast<std::size_t>(values.size()))));
      return digest.hex();
    } else {
      return backbone_.hash();
    }
  }

  /// @param[in] images [B, channels, H, W] preprocessed, in host memory
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images) const {
    if constexpr (LearnedPrompt<Prompt>) {
      auto const hook = prompt_.hook(exec, state_);
      if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
        return backbone_.features(exec, images, hook);
      } else {
        Tensor<float, 4, typename Exec::Memory> there(images.shape());
        kernels::upload(exec, images, there.view());
        return backbone_.features(exec, there.cview(), hook);
      }
    } else {
      return backbone_.features(exec, images);
    }
  }

 private:
  Backbone const& backbone_;
  Prompt const& prompt_;
  typename Prompt::State const& state_;
};

}  // namespace accrete
