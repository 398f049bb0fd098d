#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/backbone/joined_features.hpp>
#include <accrete/backbone/reopen.hpp>
#include <accrete/core/policy_name.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/sha256.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace accrete {

/// How the features of two networks are put side by side.
///   none   as they are: of the cosines of the whole, the longer feature dominates
///   unit   each divided by its length first: the cosine of the whole is then the mean of both cosines
enum class BranchNorm { none, unit };

struct ConcatSettings {
  BranchNorm norm = BranchNorm::none;

  friend bool operator==(ConcatSettings const&, ConcatSettings const&) = default;

  [[nodiscard]] static std::vector<Setting<ConcatSettings>> settings() {
    return {choice_setting("branch-norm", "what happens to the two features before they stand side by side", &ConcatSettings::norm,
                           std::vector<std::pair<std::string, BranchNorm>>{{"none", BranchNorm::none}, {"unit", BranchNorm::unit}})};
  }
};

/// Two networks on the same images, their features side by side: g(x) = [f_A(x), f_B(x)].
/// What learns is the second; a hook bends the second alone, so the first stays the published network.
/// @tparam A, B  networks with one preprocessing, such as Vit<Frozen> and a tuning of the same opened file, which then share its packed weights
/// @source Zhou et al., IJCV 2024, arXiv:2303.07338, section 4.2
template <class A, class B>
class Concat {
  static_assert(FeatureExtractor<A> && FeatureExtractor<B>);

 public:
  using Trunk = TrunkOf<A>;
  /// The features begin with those of the published network.
  static constexpr bool begins_with_published = true;

  [[nodiscard]] static std::string composition() { return "concat<" + policy_name<A>() + ", " + policy_name<B>() + ">"; }

  /// @throws ValueError  when the two want different images
  Concat(A first, B second, ConcatSettings settings = {}) : first_(std::move(first)), second_(std::move(second)), settings_(settings) {
    if (!(first_.preprocessing() == second_.preprocessing())) {
      fail<ValueError>("Concat", "both networks must want the same images: ", first_.preprocessing().text(), " and ", second_.preprocessing().text());
    }
  }

  [[nodiscard]] A const& first() const { return first_; }
  [[nodiscard]] B const& second() const { return second_; }
  /// The branch that learns.
  [[nodiscard]] B const& tuned() const { return second_; }
  [[nodiscard]] B& tuned() { return second_; }

  [[nodiscard]] Index width() const { return first_.width() + second_.width(); }
  [[nodiscard]] Index depth() const { return second_.depth(); }
  [[nodiscard]] Index heads() const { return second_.heads(); }
  [[nodiscard]] Preprocessing const& preprocessing() const { return first_.preprocessing(); }
  [[nodiscard]] ConcatSettings const& settings_in_use() const { return settings_; }

  [[nodiscard]] std::string hash() const {
    std::string const text = message("concat ", first_.hash(), ' ', second_.hash(), settings_.norm == BranchNorm::unit ? " unit" : "");
    Sha256 digest;
    digest.update(std::as_bytes(std::span(text)));
    return digest.hex();
  }

  /// @param[in] images [B, channels, H, W] preprocessed, in host memory
  /// @returns   [B, width of A + width of B] in the executor's memory
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images) const {
    return side_by_side(exec, {first_.features(exec, images), second_.features(exec, images)});
  }
  template <class Exec, class Hook>
  [[nodiscard]] Matrix<float, typename Exec::Memory> features(Exec const& exec, TensorView<float const, 4> images, Hook&& hook) const {
    return side_by_side(exec, {first_.features(exec, images), second_.features(exec, images, hook)});
  }

  template <class Writer>
  void write(Writer const& writer) const {
    first_.write(writer);
    second_.write(writer.scope("tuned"));
    writer.setting("branch_norm", settings_.norm == BranchNorm::unit ? "unit" : "none");
  }
  /// @param[in] trunk  the published network, opened already
  template <class Reader>
  [[nodiscard]] static Concat read(Reader const& reader, A const& trunk) {
    auto const norm = reader.template setting<std::string>("branch_norm");
    if (norm != "none" && norm != "unit") { fail<FileError>(reader.path().string(), "has no branch_norm '", norm, "'"); }
    return Concat(trunk, reopened<B>(reader.scope("tuned"), trunk), {.norm = norm == "unit" ? BranchNorm::unit : BranchNorm::none});
  }

 private:
  template <class Exec>
  [[nodiscard]] Matrix<float, typename Exec::Memory> side_by_side(Exec const& exec, std::array<Matrix<float, typename Exec::Memory>, 2> const& parts) const {
    return joined_features<Exec>(exec, parts.front().extent(0), parts, [this](VectorView<float const> row, float* to) { place(row, to); });
  }

  void place(VectorView<float const> row, float* to) const {
    double divisor = 1.0;
    if (settings_.norm == BranchNorm::unit) {
      double squared = 0.0;
      for (float const x : row) { squared += static_cast<double>(x) * static_cast<double>(x); }
      divisor = std::max(std::sqrt(squared), 1e-12);
    }
    std::transform(row.begin(), row.end(), to, [divisor](float x) { return static_cast<float>(static_cast<double>(x) / divisor); });
  }

  A first_;
  B second_;
  ConcatSettings settings_;
};

}  // namespace accrete
