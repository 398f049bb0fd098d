#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// The keys of a slot are the mean queries of the classes of its task: several keys a slot, in closed form, which later tasks do not move. A slot is as similar as its nearest key.
/// Only with a selector that gives each task slots of its own.
struct ClassMeanKeys {
  static constexpr std::string_view name = "class-mean-keys";
  static constexpr bool learns = false;
  static constexpr bool class_means = true;
};

/// Running means of queries by class.
class QueryMeans {
 public:
  /// Counts a query in.
  /// @param[in] task  the one at hand: that of a class is the first it came with
  void add(Index label, Index task, VectorView<float const> query) {
    auto& mean = means_.try_emplace(label, Mean{task, 0.0, std::vector<double>(static_cast<std::size_t>(query.size()), 0.0)}).first->second;
    mean.count += 1.0;
    std::transform(query.begin(), query.end(), mean.sum.begin(), mean.sum.begin(), [](float value, double sum) { return sum + static_cast<double>(value); });
  }

  /// The largest cosine of a query with the mean of a class of each task.
  /// @param[out] nearest [tasks]  -1 for a task without classes
  void nearest(VectorView<float const> query, std::span<double> nearest) const {
    std::fill(nearest.begin(), nearest.end(), -1.0);
    for (auto const& [label, mean] : means_) {
      if (mean.task < static_cast<Index>(nearest.size())) {
        double& best = nearest[static_cast<std::size_t>(mean.task)];
        best = std::max(best, cosine(query, mean.sum));
      }
    }
  }

  template <class Writer>
  void write(Writer const& writer) const {
    std::vector<Index> labels;
    std::vector<Index> tasks;
    Vector<double> counts({static_cast<Index>(means_.size())});
    Index const width = means_.empty() ? 0 : static_cast<Index>(means_.begin()->second.sum.size());
    Matrix<double> sums({static_cast<Index>(means_.size()), width});
    for (auto const& [label, mean] : means_) {
      auto const row = static_cast<Index>(labels.size());
      counts(row) = mean.count;
      std::copy(mean.sum.begin(), mean.sum.end(), sums.view()[row].begin());
      labels.push_back(label);
      tasks.push_back(mean.task);
    }
    writer.setting("labels", labels);
    writer.setting("tasks", tasks);
    writer.tensor("counts", std::move(counts));
    writer.tensor("sums", std::move(sums));
  }

  /// @param[in] width  D, of the queries
  /// @throws FileError  when something is missing or does not fit
  template <class Reader>
  [[nodiscard]] static QueryMeans read(Reader const& reader, Index width) {
    auto const labels = reader.template setting<std::vector<Index>>("labels");
    auto const tasks = reader.template setting<std::vector<Index>>("tasks");
    auto const counts = reader.template tensor<double, 1>("counts");
    auto const sums = reader.template tensor<double, 2>("sums");
    auto const classes = static_cast<Index>(labels.size());
    bool fits = tasks.size() == labels.size() && counts.size() == classes && sums.extent(0) == classes && (classes == 0 || sums.extent(1) == width);
    fits = fits && std::all_of(tasks.begin(), tasks.end(), [](Index task) { return task >= 0; });
    if (!fits) { fail<FileError>(reader.path().string(), "holds mean queries that do not fit together"); }
    QueryMeans means;
    for (Index row = 0; row < classes; ++row) {
      auto const at = static_cast<std::size_t>(row);
      means.means_[labels[at]] = {tasks[at], counts(row), {sums.view()[row].begin(), sums.view()[row].end()}};
    }
    return means;
  }

 private:
  struct Mean {
    Index task = 0;
    double count = 0.0;
    std::vector<double> sum;
  };

  /// A mean has the direction of its sum.
  static double cosine(VectorView<float const> query, std::vector<double> const& sum) {
    double product = 0.0;
    double query_squares = 0.0;
    double sum_squares = 0.0;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      auto const q = static_cast<double>(query[static_cast<Index>(i)]);
      product += q * sum[i];
      query_squares += q * q;
      sum_squares += sum[i] * sum[i];
    }
    return product / (std::max(std::sqrt(query_squares), 1e-12) * std::max(std::sqrt(sum_squares), 1e-12));
  }

  std::map<Index, Mean> means_;
};

}  // namespace accrete
