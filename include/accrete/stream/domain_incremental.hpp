#pragma once

#include <accrete/data/data_set.hpp>
#include <accrete/stream/join.hpp>
#include <accrete/stream/task.hpp>

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

namespace accrete {

/// What a domain-incremental stream is judged by after each task. Both are in use; a result must say which.
enum class JudgedBy { domains_seen, all_domains };

struct DomainSettings {
  JudgedBy judged_by = JudgedBy::domains_seen;
  Index train_per_class = 0;  ///< the first so many training pictures of each class and domain; 0: all
};

/// The same classes in every task, each task from another domain, in the order given. The first task brings all columns, the later ones none.
/// @throws ValueError  when there is no domain, the class names of two domains differ, or a domain has no training picture
/// @source van de Ven, Tolias, "Three scenarios for continual learning", arXiv:1904.07734v1, section 2
[[nodiscard]] inline std::vector<Task> domain_incremental(std::vector<DataSet> const& domains, DomainSettings const& settings = {}) {
  if (domains.empty()) { fail<ValueError>("domain_incremental", "there must be a domain"); }
  if (settings.train_per_class < 0) { fail<ValueError>("domain_incremental", "train_per_class must not be negative (came: ", settings.train_per_class, ")"); }
  auto const& names = domains.front().train.class_names();
  auto const classes = static_cast<Index>(names.size());
  auto const tests = std::make_shared<std::vector<Examples>>();
  for (DataSet const& domain : domains) {
    if (domain.train.class_names() != names || domain.test.class_names() != names) {
      fail<ValueError>("domain_incremental", "all domains must have the same class names; those of ", domain.name, " and ", domains.front().name, " differ");
    }
    if (domain.train.empty()) { fail<ValueError>("domain_incremental", domain.name, " has no training picture"); }
    tests->push_back(domain.test);
  }
  std::vector<Index> labels(names.size());
  std::iota(labels.begin(), labels.end(), Index{0});
  std::vector<Task> tasks;
  for (DataSet const& domain : domains) {
    auto const t = static_cast<Index>(tasks.size());
    TaskInfo const info = t == 0 ? TaskInfo{0, 0, classes} : TaskInfo{t, classes, 0};
    Index const judged = settings.judged_by == JudgedBy::all_domains ? static_cast<Index>(domains.size()) : t + 1;
    auto const this_domain = [tests, t] { return (*tests)[static_cast<std::size_t>(t)]; };
    auto const so_far = [tests, judged] { return join({tests->begin(), tests->begin() + judged}); };
    tasks.emplace_back(info, labels, settings.train_per_class > 0 ? domain.train.first_per_class(settings.train_per_class) : domain.train, this_domain, so_far);
  }
  return tasks;
}

}  // namespace accrete
