#include "../method.hpp"

#include <accrete/core/settings.hpp>
#include <accrete/host/eigen_products.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/rows.hpp>

namespace accrete::tool {

Ranking best_of(Predictions const& predictions, Index k) { return rank(HostExecutor<EigenProducts>{.threads = 1}, predictions.scores, k); }

MethodEntry const& find_method(std::string const& name) {
  std::vector<std::string> names;
  for (MethodEntry const& entry : methods()) {
    if (entry.name == name) { return entry; }
    names.push_back(entry.name);
  }
  fail<ValueError>("--method", "there is no '", name, "'; did you mean '", nearest_name(name, names), "'?");
}

}  // namespace accrete::tool
