#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/vote/task_vote.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Every temperature gives its vote to the classifier of the largest energy:
///   e_k(tau) = lse(z_k / tau),   one vote for argmax_k e_k(tau) from every distinct tau that was chosen; ties go to the smaller k
/// Each task chooses one temperature, that at which most of its own samples are recognised as its own; ties go to the smaller one.
/// As tau goes to 0 the energy becomes the largest single logit.
/// @source Wang et al., "Isolation and Impartial Aggregation: A Paradigm of Incremental Learning without Interference", AAAI 2023, arXiv:2211.15969; specification: mixture-methods.md §5.3
struct EnergyVote {
  static constexpr std::string_view name = "energy";
  static constexpr std::array<double, 12> candidates{0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0};

  struct State {
    std::vector<double> temperatures;  ///< by task
    std::vector<Index> recognised;     ///< by candidate: how many samples of the newest task were
  };

  void begin_task(State& state) const {
    state.temperatures.push_back(candidates.front());
    state.recognised.assign(candidates.size(), 0);
  }

  /// Counts at which temperatures a sample of the newest task, the last one, is recognised.
  /// @param[in] logits  by task, [C_k] each
  void observe(State& state, std::span<VectorView<float const> const> logits) const {
    for (std::size_t c = 0; c < candidates.size(); ++c) { state.recognised[c] += winner(logits, candidates[c]) + 1 == logits.size() ? 1 : 0; }
  }

  /// Chooses the temperature of the newest task.
  void fit(State& state) const {
    auto const best = std::max_element(state.recognised.begin(), state.recognised.end());
    if (best != state.recognised.end()) { state.temperatures.back() = candidates[static_cast<std::size_t>(best - state.recognised.begin())]; }
  }

  /// @param[in] logits  by task, [C_k] each
  /// @returns   the votes of each task
  [[nodiscard]] std::vector<Index> votes(State const& state, std::span<VectorView<float const> const> logits) const {
    std::vector<Index> counts(logits.size(), 0);
    for (double const temperature : distinct(state)) { ++counts[winner(logits, temperature)]; }
    return counts;
  }

  /// lse(z / tau), the largest logit taken out before: exp(3000) is no number.
  [[nodiscard]] static double energy(VectorView<float const> z, double temperature) {
    double const largest = static_cast<double>(*std::max_element(z.begin(), z.end()));
    double sum = 0.0;
    for (float const value : z) { sum += std::exp((static_cast<double>(value) - largest) / temperature); }
    return largest / temperature + std::log(sum);
  }

  template <class Writer>
  void write(State const& state, Writer const& writer) const {
    writer.setting("temperatures", state.temperatures);
    writer.setting("recognised", state.recognised);
  }
  /// @param[in] tasks  how many have voted
  /// @throws FileError  when something is missing or does not fit
  template <class Reader>
  void read(State& state, Reader const& reader, Index tasks) const {
    State fresh{reader.template setting<std::vector<double>>("temperatures"), reader.template setting<std::vector<Index>>("recognised")};
    bool const positive = std::all_of(fresh.temperatures.begin(), fresh.temperatures.end(), [](double temperature) { return temperature > 0.0 && std::isfinite(temperature); });
    bool const complete = static_cast<Index>(fresh.temperatures.size()) == tasks && fresh.recognised.size() == (tasks > 0 ? candidates.size() : 0);
    if (!positive || !complete) { fail<FileError>(reader.path().string(), "holds ", fresh.temperatures.size(), " temperatures, which must be positive, for ", tasks, " tasks"); }
    state = std::move(fresh);
  }

 private:
  static std::size_t winner(std::span<VectorView<float const> const> logits, double temperature) {
    std::size_t best = 0;
    double most = energy(logits.front(), temperature);
    for (std::size_t k = 1; k < logits.size(); ++k) {
      double const other = energy(logits[k], temperature);
      if (other > most) {
        most = other;
        best = k;
      }
    }
    return best;
  }

  static std::vector<double> distinct(State const& state) {
    std::vector<double> all = state.temperatures;
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }
};
static_assert(TaskVote<EnergyVote>);

}  // namespace accrete
