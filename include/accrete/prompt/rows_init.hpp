#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>

#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// How rows of prompts and keys begin.
///   uniform  U[low, high)
///   normal   N(0, high^2)
struct RowsInit {
  enum class Law { uniform, normal };

  Law law = Law::uniform;
  double low = 0.0;
  double high = 0.01;

  /// Fills rows; what one begins with depends on its number alone, so that a pool that grows begins as a larger one would have.
  /// @param[in] rows [M, n] those from `first` on of a whole;  @param[in] random  of the whole
  void fill(Rng const& random, Index first, MatrixView<float> rows) const {
    auto const offset = static_cast<std::uint64_t>(first * rows.extent(1));
    for (Index i = 0; i < rows.size(); ++i) {
      auto const element = offset + static_cast<std::uint64_t>(i);
      rows.data()[i] = static_cast<float>(law == Law::normal ? high * static_cast<double>(random.normal(element)) : low + (high - low) * random.uniform(element));
    }
  }

  [[nodiscard]] static std::vector<Setting<RowsInit>> settings() {
    return {choice_setting("prompt-initial", "how prompts and keys begin: in [low, high), or normal with deviation high", &RowsInit::law,
                           std::vector<std::pair<std::string, Law>>{{"uniform", Law::uniform}, {"normal", Law::normal}}),
            number_setting("prompt-low", "the least a prompt begins with", &RowsInit::low, -1e3, 1e3), number_setting("prompt-high", "what a prompt begins below", &RowsInit::high, -1e3, 1e3)};
  }
};

}  // namespace accrete
