#pragma once

#include <accrete/method/detail/cofima.hpp>
#include <accrete/tuning/lora.hpp>

#include <string_view>

namespace accrete::method {

/// CoFiMA over low-rank parts in place of the whole network: factors are averaged by their own Fisher information, A and B apart, so the average is not that of the products.
/// Not published; the rates are SLCA++'s for low-rank parts.
/// @source the averaging: Marouf et al., ECCV 2024, arXiv:2312.08977; the parts: Hu et al., ICLR 2022, arXiv:2106.09685
struct CofimaLora : detail::Cofima<Lora> {
  static constexpr std::string_view name = "cofima-lora";
  static constexpr std::string_view summary = "low-rank parts learn every task and are averaged with their former selves by Fisher information; then the head is aligned on drawn features";

  [[nodiscard]] static Settings standard() {
    Settings settings = with(20, 18, 128, 5, 0.1);
    settings.protocol.training.backbone_factor = 0.5;
    settings.protocol.training.later_factor = 0.2;
    return settings;
  }
};

}  // namespace accrete::method
