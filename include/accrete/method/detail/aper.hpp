#pragma once

#include <accrete/backbone/concat.hpp>
#include <accrete/backbone/vit.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/learner.hpp>
#include <accrete/method/detail/first_task.hpp>
#include <accrete/method_settings.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::method::detail {

/// What the five variants of APER share: the published network beside one that the first task adapted, and class means of both features side by side.
/// @tparam Tuning  how the second network is adapted;  @tparam Prompt  or what is injected into it
template <class Tuning, class Prompt>
struct Aper {
  static constexpr std::string_view paper = "Zhou et al., Revisiting Class-Incremental Learning with Pre-Trained Models: Generalizability and Adaptivity are All You Need, IJCV 2024, arXiv:2303.07338";

  using Settings = MethodSettings<Tuning, Prompt, PrototypeHead, FirstTask, ConcatSettings>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Concat<Trunk, Vit<Tuning>>, Prompt, PrototypeHead, NoMerge, FirstTask>;

  /// @param[in] seed  draws the module, the temporary head, and the order and augmentation of the pictures
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>({trunk, Vit<Tuning>(trunk, drawn.tuning, Settings::tuning_key(seed)), drawn.joining}, drawn.prompt, drawn.head, {}, drawn.protocol);
  }

 protected:
  /// One setting for every data set that the paper uses.
  [[nodiscard]] static std::vector<Published<Settings>> same_for_all(Settings const& settings) {
    std::vector<Published<Settings>> all;
    for (char const* const name : {"cifar100", "cub200", "imagenet-r", "imagenet-a", "objectnet", "omnibenchmark", "vtab"}) { all.push_back({name, settings}); }
    return all;
  }
  static void replace(std::vector<Published<Settings>>& all, std::string_view data_set, Settings const& settings) {
    for (auto& known : all) {
      if (known.data_set == data_set) { known.settings = settings; }
    }
  }
};

}  // namespace accrete::method::detail
