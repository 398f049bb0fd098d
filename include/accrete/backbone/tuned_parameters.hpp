#pragma once

#include <accrete/backbone/tuned_network.hpp>
#include <accrete/backbone/vit_parameters.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/nn/low_rank.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace accrete {

/// Whether a store holds anything that belongs to a layer.
[[nodiscard]] inline bool changes_layer(ParameterStore<float> const& learned, std::string_view layer) {
  auto const& segments = learned.segments();
  return std::any_of(segments.begin(), segments.end(), [layer](ParameterSegment const& segment) {
    std::string_view const name = segment.name;
    return name.size() > layer.size() && name.substr(0, layer.size()) == layer && name[layer.size()] == '.';
  });
}

/// The layers of a block that are large.
inline constexpr std::array<std::string_view, 4> large_layers{".attn.qkv", ".attn.proj", ".mlp.fc1", ".mlp.fc2"};

/// Whether a large layer of some block is the published one, so that its packed weights are worth sharing.
[[nodiscard]] inline bool leaves_large_layers(ParameterStore<float> const& learned, Index depth) {
  for (Index i = 0; i < depth; ++i) {
    std::string const block = message("blocks.", i);
    if (std::any_of(large_layers.begin(), large_layers.end(), [&](std::string_view layer) { return !changes_layer(learned, block + std::string(layer)); })) { return true; }
  }
  return false;
}

/// The parameters of a tuned network at rest: learned values in place of published ones, low-rank parts and scales and shifts folded into the layers they stand behind.
///   W' = diag(scale) (W + s B A),   b' = scale * b + shift
/// A network without anything learned gives the published values where they lie.
class TunedParameters {
 public:
  /// All must outlive this object and what it returns.
  TunedParameters(VitParameters const& published, ParameterStore<float> const& learned, TuningForm const& form, PositionResize how)
      : published_(published), learned_(learned), form_(form), how_(how) {}

  [[nodiscard]] TuningForm const& form() const { return form_; }

  /// All values in row-major order; none where the network has no such parameter.
  [[nodiscard]] ParameterValues operator()(std::string const& name) const {
    std::string const layer = name.substr(0, name.rfind('.'));
    bool const weight = name.size() > layer.size() && std::string_view(name).substr(layer.size()) == ".weight";
    bool const bias = name.size() > layer.size() && std::string_view(name).substr(layer.size()) == ".bias";
    bool const scaled = (weight || bias) && learned_.contains(layer + ".ssf.scale");
    bool const low_rank = weight && has_low_rank(layer);
    if (!scaled && !low_rank) { return learned_.contains(name) ? ParameterValues(learned_.values(name)) : published_(name); }
    Vector<float> bent = copy(name);
    if (low_rank) { add_low_rank(layer, bent); }
    if (scaled) { scale_rows(layer, weight, bent); }
    return ParameterValues(std::move(bent));
  }

  /// Whether anything learned stands in or behind a layer, so that it is not the published one.
  [[nodiscard]] bool changes(std::string_view layer) const { return changes_layer(learned_, layer); }

  /// The rows in front of the patches, [prefix, D], their positions added.
  [[nodiscard]] Matrix<float> prefix_rows() const {
    VitShape const& shape = published_.shape();
    Matrix<float> rows({shape.prefix_tokens(), shape.width});
    float* out = rows.data();
    for (char const* const name : {"cls_token", "dist_token", "reg_token"}) {
      auto const token = (*this)(std::string(name));
      out = std::copy(token.vector().begin(), token.vector().end(), out);
    }
    auto const positions = (*this)(std::string("pos_embed"));
    Index const positioned = published_.positioned() * shape.width;
    std::transform(rows.begin(), rows.begin() + positioned, positions.vector().begin(), rows.begin(), [](float token, float position) { return token + position; });
    return rows;
  }

  /// The positions of the patches, [G, D], fitted to the image's grid.
  [[nodiscard]] Matrix<float> patch_positions() const {
    if (!learned_.contains("pos_embed")) { return published_.patch_positions(how_); }
    VitShape const& shape = published_.shape();
    Matrix<float> rows({shape.patches(), shape.width});
    auto const table = learned_.values("pos_embed");
    std::copy_n(table.data() + published_.positioned() * shape.width, rows.size(), rows.data());
    return rows;
  }

 private:
  /// Learned or published, as an array of our own; zeros where a layer has no bias but a shift.
  [[nodiscard]] Vector<float> copy(std::string const& name) const {
    auto const write = [](VectorView<float const> from) {
      Vector<float> to(from.shape());
      std::copy(from.begin(), from.end(), to.begin());
      return to;
    };
    return learned_.contains(name) ? write(learned_.values(name)) : write(published_(name).vector());
  }

  [[nodiscard]] bool has_low_rank(std::string const& layer) const {
    auto const places = nn::low_rank_places(0);
    return std::any_of(places.begin(), places.end(), [&](nn::LowRankPlace const& place) { return learned_.contains(layer + place.suffix + ".a"); });
  }

  void add_low_rank(std::string const& layer, Vector<float>& weight) const {
    Index const outputs = outputs_of(layer);
    Index const inputs = weight.size() / outputs;
    Vector<double> sum({inputs});
    for (nn::LowRankPlace const& place : nn::low_rank_places(outputs)) {
      std::string const a_name = layer + place.suffix + ".a";
      if (!learned_.contains(a_name)) { continue; }
      auto const a = learned_.template view<2>(a_name);
      auto const b = learned_.template view<2>(layer + place.suffix + ".b");
      std::string const factor = layer + place.suffix + ".scale";
      double const scale = form_.low_rank_scale * (learned_.contains(factor) ? static_cast<double>(learned_.values(factor)[0]) : 1.0);
      for (Index row = 0; row < place.rows; ++row) {
        std::fill(sum.begin(), sum.end(), 0.0);
        for (Index k = 0; k < a.extent(0); ++k) {
          for (Index column = 0; column < inputs; ++column) { sum(column) += static_cast<double>(b(row, k)) * a(k, column); }
        }
        float* const to = weight.data() + (place.first + row) * inputs;
        for (Index column = 0; column < inputs; ++column) { to[column] = static_cast<float>(to[column] + scale * sum(column)); }
      }
    }
  }

  [[nodiscard]] Index outputs_of(std::string const& layer) const {
    VitShape const& shape = published_.shape();
    auto const ends_with = [&](std::string_view tail) { return layer.size() >= tail.size() && std::string_view(layer).substr(layer.size() - tail.size()) == tail; };
    return ends_with(".qkv") ? 3 * shape.width : ends_with(".fc1") ? shape.hidden : shape.width;
  }

  void scale_rows(std::string const& layer, bool weight, Vector<float>& bent) const {
    auto const scale = learned_.values(layer + ".ssf.scale");
    auto const shift = learned_.values(layer + ".ssf.shift");
    if (bent.empty()) { bent = Vector<float>::zeros(scale.shape()); }
    Index const each = bent.size() / scale.extent(0);
    for (Index row = 0; row < scale.extent(0); ++row) {
      for (Index i = 0; i < each; ++i) { bent(row * each + i) *= scale[row]; }
      if (!weight) { bent(row) += shift[row]; }
    }
  }

  VitParameters const& published_;
  ParameterStore<float> const& learned_;
  TuningForm form_;
  PositionResize how_;
};

}  // namespace accrete
