#pragma once

#include <accrete/core/tensor.hpp>

namespace accrete {

/// What a prompt must know of the network it is put into.
struct PromptPlace {
  Index depth = 0;         ///< number of blocks
  Index tokens = 0;        ///< rows of a sequence before anything is injected
  Index width = 0;         ///< D
  Index patch_inputs = 0;  ///< numbers that make up one patch; what the Xavier bound of VPT looks at

  friend bool operator==(PromptPlace const&, PromptPlace const&) = default;

  template <class Writer>
  void write(Writer const& writer) const {
    writer.setting("depth", depth);
    writer.setting("tokens", tokens);
    writer.setting("width", width);
    writer.setting("patch_inputs", patch_inputs);
  }
  /// @throws FileError  when something is missing
  template <class Reader>
  [[nodiscard]] static PromptPlace read(Reader const& reader) {
    return {reader.template setting<Index>("depth"), reader.template setting<Index>("tokens"), reader.template setting<Index>("width"), reader.template setting<Index>("patch_inputs")};
  }
};

}  // namespace accrete
