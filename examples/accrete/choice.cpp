#include "choice.hpp"

#include <accrete/core/error.hpp>

#include <algorithm>
#include <cstddef>

namespace accrete::tool {

Choice Choice::parse(std::string const& text) {
  Choice choice;
  std::size_t const equals = std::min(text.find('='), text.size());
  choice.setting = text.substr(0, equals);
  for (std::size_t first = equals + 1; first <= text.size();) {
    std::size_t const end = std::min(text.find(',', first), text.size());
    choice.values.push_back(text.substr(first, end - first));
    first = end + 1;
  }
  if (choice.setting.empty() || choice.values.size() < 2) { fail<ValueError>("--choose", "must be name=value,value with at least two values (came: ", text, ")"); }
  return choice;
}

}  // namespace accrete::tool
