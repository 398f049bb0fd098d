#pragma once

#include <accrete/core/policy_name.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/sha256.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/fwd.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/train/token_queries.hpp>
#include <accrete/train/tuned_part.hpp>

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
      std::string text = message(backbone_.hash(), ' ', policy_name<Prompt>());
      for (auto const& setting : settings_of(prompt_)) { text += message(' ', setting.name, '=', setting.text(prompt_)); }
      digest.update(std::as_bytes(std::span(text)));
      auto const values = state_.parameters().values();
      digest.update(std::as_bytes(std::span(values.data(), static_cast<std::size_t>(values.size()))));
      return digest.hex();
    } else {
      return backbone_.hash();
    }
  }

  /// Whether `features_of` is to be given queries.
  static constexpr bool takes_queries = AsksForQueries<Prompt>;
  /// What queries are features of.
  [[nodiscard]] auto plain() const requires AsksForQueries<Prompt> {
    if constexpr (QueryOf<Prompt>::of_tokens) {
      return TokenQueries<std::remove_cvref_t<decltype(tuned_part(backbone_).trunk())>, QueryOf<Prompt>>(tuned_part(backbone_).trunk());
    } else {
      return tuned_part(backbone_).trunk();
    }
  }

  /// @param[in] images [B, channels, H, W] preprocessed, in host memory
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images) const {
    if constexpr (AsksForQueries<Prompt>) {
      return features_of(exec, images, {});
    } else if constexpr (LearnedPrompt<Prompt>) {
      auto hook = prompt_.hook(exec, state_);
      return with_images(exec, images, [&](TensorView<float const, 4> there) { return backbone_.features(exec, there, hook); });
    } else {
      return backbone_.features(exec, images);
    }
  }

  /// The same where the queries are known.
  /// @param[in] queries [B, D] host memory, or empty
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features_of(Exec const& exec, TensorView<float const, 4> images, MatrixView<float const> queries) const requires AsksForQueries<Prompt> {
    return features_with(exec, images, queries, [&](MatrixView<float const> known) { return prompt_.hook(exec, state_, known); });
  }

  /// The same with slots that are given.
  /// @param[in] chosen [B, k]
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features_in_slots(Exec const& exec, TensorView<float const, 4> images, MatrixView<Index const> chosen) const requires ChoosesSlots<Prompt> {
    Matrix<float> const no_query({images.extent(0), width()});  // nobody reads it
    return features_with(exec, images, no_query.cview(), [&](MatrixView<float const> /*queries*/) { return prompt_.hook_of(exec, state_, chosen); });
  }

 private:
  template <class Exec, class Use>
  [[nodiscard]] static auto with_images(Exec const& exec, TensorView<float const, 4> images, Use const& use) {
    if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
      return use(images);
    } else {
      Tensor<float, 4, typename Exec::Memory> there(images.shape());
      kernels::upload(exec, images, there.view());
      return use(there.cview());
    }
  }

  /// One run through what the plain and the bent pass share, where nothing of the network learns.
  template <class Exec, class MakeHook>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features_with(Exec const& exec, TensorView<float const, 4> images, MatrixView<float const> queries, MakeHook const& make_hook) const {
    using Memory = typename Exec::Memory;
    bool const of_tokens = QueryOf<Prompt>::of_tokens;
    Index const asked = queries.empty() && !of_tokens ? images.extent(0) : 0;
    return with_images(exec, images, [&](TensorView<float const, 4> there) {
      Matrix<float, Memory> plain({asked, width()});
      Index const first = queries.empty() && of_tokens ? 0 : prompt_.first_block(state_);
      Tensor<float, 3, Memory> tokens;
      if constexpr (std::is_same_v<Backbone, Vit<Frozen>>) {
        tokens = Tensor<float, 3, Memory>({images.extent(0), backbone_.shape().tokens(), width()});
        backbone_.front(exec, there, first, tokens.view(), plain.view());
      } else if (asked > 0) {
        plain = this->plain().features(exec, images);
      }
      Matrix<float> known(plain.shape());
      kernels::download(exec, plain.cview(), known.view());
      if constexpr (QueryOf<Prompt>::of_tokens) {
        if (queries.empty()) {
          known = Matrix<float>({images.extent(0), width()});
          QueryOf<Prompt>::read(exec, std::is_same_v<Backbone, Vit<Frozen>> ? tokens.cview() : tuned_part(backbone_).trunk().embed(exec, there).cview(), known.view());
        }
      }
      auto hook = make_hook(queries.empty() ? known.cview() : queries);
      if constexpr (std::is_same_v<Backbone, Vit<Frozen>>) {
        return backbone_.features_behind(exec, tokens.cview(), first, hook);
      } else {
        return backbone_.features(exec, there, hook);
      }
    });
  }

  Backbone const& backbone_;
  Prompt const& prompt_;
  typename Prompt::State const& state_;
};

}  // namespace accrete
