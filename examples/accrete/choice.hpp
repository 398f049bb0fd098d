#pragma once

#include <string>
#include <vector>

namespace accrete::tool {

/// A setting of which one of several values is to be chosen.
struct Choice {
  std::string setting;
  std::vector<std::string> values;

  /// Reads `name=value,value,...`.
  /// @throws ValueError  without a name or with fewer than two values
  [[nodiscard]] static Choice parse(std::string const& text);
};

}  // namespace accrete::tool
