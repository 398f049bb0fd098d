#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/backbone/joined_features.hpp>
#include <accrete/backbone/reopen.hpp>
#include <accrete/core/policy_name.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/sha256.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/tuning/concept.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete {

/// Where the tuning of a new task begins.
///   fresh     drawn for that task alone (EASE)
///   previous  at what the task before ended with (MOS)
enum class BankStart { fresh, previous };

/// A published network with one tuning for each task, all features side by side: f(x) = [f_0(x), ..., f_t(x)].
/// Those of earlier tasks stand still. What learns is the newest.
/// @tparam Network  Vit<Tuning>
/// @source Zhou et al., "Expandable Subspace Ensemble for Pre-Trained Model-Based Class-Incremental Learning", CVPR 2024, arXiv:2403.12030, section 4.1;
///         Sun et al., "MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning", AAAI 2025, arXiv:2412.09441
template <class Network>
class TuningBank {
  using Tuning = std::remove_cvref_t<decltype(std::declval<Network const&>().tuning())>;

 public:
  using Trunk = TrunkOf<Network>;
  /// One run through the trunk serves all networks, and a hook may bend it.
  static constexpr bool shares_trunk = LeavesTrunk<Tuning>;

  [[nodiscard]] static std::string composition() { return "bank<" + policy_name<Network>() + ">"; }

  /// @param[in] seed  draws the tuning of every task that begins with a fresh one
  TuningBank(Trunk trunk, Tuning tuning, std::uint64_t seed, BankStart start = BankStart::fresh) : trunk_(std::move(trunk)), tuning_(std::move(tuning)), seed_(seed), start_(start) {}

  /// Adds a tuning for a task.
  void begin_task(TaskInfo const& task) {
    if (start_ == BankStart::previous && !networks_.empty()) {
      networks_.push_back(networks_.back());
    } else {
      networks_.emplace_back(trunk_, tuning_, RngKey{.seed = seed_, .purpose = Purpose::initialisation, .task = static_cast<std::uint32_t>(task.index)});
    }
  }

  /// The network of the newest task. @pre a task has begun
  [[nodiscard]] Network const& tuned() const { return networks_.back(); }
  [[nodiscard]] Network& tuned() { return networks_.back(); }
  /// By task.
  [[nodiscard]] std::vector<Network> const& networks() const { return networks_; }
  [[nodiscard]] Trunk const& trunk() const { return trunk_; }

  [[nodiscard]] Index width() const { return trunk_.width() * static_cast<Index>(networks_.size()); }
  /// Width of the features of one task.
  [[nodiscard]] Index part_width() const { return trunk_.width(); }
  [[nodiscard]] Index depth() const { return trunk_.depth(); }
  [[nodiscard]] Index heads() const { return trunk_.heads(); }
  [[nodiscard]] Preprocessing const& preprocessing() const { return trunk_.preprocessing(); }
  [[nodiscard]] Tuning const& tuning() const { return tuning_; }

  [[nodiscard]] std::string hash() const {
    std::string text = "bank " + trunk_.hash();
    for (Network const& network : networks_) { text += ' ' + network.hash(); }
    Sha256 digest;
    digest.update(std::as_bytes(std::span(text)));
    return digest.hex();
  }

  /// @param[in] images [B, channels, H, W] preprocessed, in host memory
  /// @returns   [B, tasks * D] in the executor's memory
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images) const {
    if constexpr (shares_trunk) {
      return on_one_trunk(exec, images);
    } else {
      return one_after_the_other(exec, images);
    }
  }
  /// @param[in] images [B, channels, H, W] preprocessed, in the executor's memory
  template <class Exec, class Hook>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images, Hook&& hook) const requires shares_trunk {
    return Network::features_side_by_side(exec, std::span<Network const>(networks_), images, hook);
  }

  template <class Writer>
  void write(Writer const& writer) const {
    trunk_.write(writer);
    writer.setting("tunings", static_cast<Index>(networks_.size()));
    writer.setting("bank_seed", seed_);
    writer.setting("bank_continues", start_ == BankStart::previous);
    auto const settings = writer.scope("bank");
    for (auto const& setting : Tuning::settings()) { settings.setting(setting.name, setting.text(tuning_)); }
    for (std::size_t t = 0; t < networks_.size(); ++t) { networks_[t].write(writer.scope(message("tuned", t))); }
  }
  /// @param[in] trunk  the published network, opened already
  template <class Reader>
  [[nodiscard]] static TuningBank read(Reader const& reader, Trunk const& trunk) {
    Tuning tuning{};
    auto const settings = reader.scope("bank");
    for (auto const& setting : Tuning::settings()) { setting.assign(tuning, settings.template setting<std::string>(setting.name)); }
    BankStart const start = reader.template setting<bool>("bank_continues") ? BankStart::previous : BankStart::fresh;
    TuningBank bank(trunk, tuning, reader.template setting<std::uint64_t>("bank_seed"), start);
    auto const tunings = reader.template setting<Index>("tunings");
    for (Index t = 0; t < tunings; ++t) { bank.networks_.push_back(reopened<Network>(reader.scope(message("tuned", t)), trunk)); }
    return bank;
  }

 private:
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> on_one_trunk(Exec const& exec, TensorView<float const, 4> images) const {
    if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
      return features(exec, images, NoHook{});
    } else {
      Tensor<float, 4, typename Exec::Memory> there(images.shape());
      kernels::upload(exec, images, there.view());
      return features(exec, there.cview(), NoHook{});
    }
  }

  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> one_after_the_other(Exec const& exec, TensorView<float const, 4> images) const {
    std::vector<Matrix<float, typename Exec::Memory>> parts;
    for (Network const& network : networks_) { parts.push_back(network.features(exec, images)); }
    return joined_features<Exec>(exec, images.extent(0), parts, copy_features);
  }

  Trunk trunk_;
  Tuning tuning_;
  std::uint64_t seed_;
  BankStart start_;
  std::vector<Network> networks_;
};

}  // namespace accrete
