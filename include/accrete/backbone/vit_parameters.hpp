#pragma once

#include <accrete/backbone/positions.hpp>
#include <accrete/backbone/vit_blueprint.hpp>
#include <accrete/io/checkpoint.hpp>
#include <accrete/io/element_cast.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace accrete {

/// The values of a parameter in float32: where they lie in the mapped file if they can be used there, else converted.
class ParameterValues {
 public:
  explicit ParameterValues(VectorView<float const> in_file) : view_(in_file) {}
  explicit ParameterValues(Vector<float> converted) : owned_(std::move(converted)), view_(owned_.cview()) {}
  ParameterValues(ParameterValues&& other) noexcept : owned_(std::move(other.owned_)), view_(other.view_) {}
  ParameterValues(ParameterValues const&) = delete;
  ParameterValues& operator=(ParameterValues const&) = delete;
  ParameterValues& operator=(ParameterValues&&) = delete;
  ~ParameterValues() = default;

  [[nodiscard]] VectorView<float const> vector() const { return view_; }
  /// @throws ShapeError  when the values do not fall into that many rows
  [[nodiscard]] MatrixView<float const> matrix(Index rows) const { return view_.reshaped<2>({rows, view_.size() / std::max<Index>(rows, 1)}); }

 private:
  Vector<float> owned_;
  VectorView<float const> view_;
};

/// Reads the parameters of a vision transformer by canonical name, one at a time.
class VitParameters {
 public:
  /// Both must outlive this object and what it returns.
  VitParameters(Checkpoint const& checkpoint, VitBlueprint const& blueprint) : checkpoint_(checkpoint), blueprint_(blueprint) {}

  [[nodiscard]] bool contains(std::string_view canonical) const { return blueprint_.names.tensors.find(canonical) != blueprint_.names.tensors.end(); }

  /// All values in row-major order; parts of a tensor one behind the other, which puts their rows under each other.
  /// No values where the network has no such parameter.
  [[nodiscard]] ParameterValues operator()(std::string_view canonical) const {
    auto const tensor = blueprint_.names.tensors.find(canonical);
    if (tensor == blueprint_.names.tensors.end()) { return ParameterValues(VectorView<float const>()); }
    auto const& names = tensor->second.names;
    Index total = 0;
    for (std::string const& name : names) { total += count(checkpoint_.entry(name)); }
    if (StoredTensor const& only = checkpoint_.entry(names.front()); names.size() == 1 && usable_in_place(only)) {
      return ParameterValues(VectorView<float const>(reinterpret_cast<float const*>(only.bytes.data()), {total}));
    }
    Vector<float> converted({total});
    float* out = converted.data();
    for (std::string const& name : names) {
      StoredTensor const& entry = checkpoint_.entry(name);
      VectorView<float> const part(out, {count(entry)});
      if (!element_cast(entry.type, entry.bytes, part)) { fail<FileError>(checkpoint_.path().string(), "'", name, "' is ", entry.text(), ", which is no floating-point tensor"); }
      out += part.size();
    }
    return ParameterValues(std::move(converted));
  }

  /// How many of the rows in front of the patches have a position.
  [[nodiscard]] Index positioned() const { return blueprint_.positions.outside; }
  [[nodiscard]] VitShape const& shape() const { return blueprint_.shape; }

  /// The position table fitted to the image's grid: rows in front of the patches that have one, then the patches', [positioned + G, D].
  [[nodiscard]] Matrix<float> position_rows(PositionResize how) const {
    Matrix<float> rows({positioned() + shape().patches(), shape().width});
    auto const table = (*this)("pos_embed");
    auto const patches = patch_positions(how);
    float* const out = std::copy_n(table.vector().data(), positioned() * shape().width, rows.data());
    std::copy(patches.begin(), patches.end(), out);
    return rows;
  }

  /// The positions of the patches, [G, D], fitted to the image's grid.
  [[nodiscard]] Matrix<float> patch_positions(PositionResize how) const {
    VitShape const& shape = blueprint_.shape;
    PositionTable const& learned = blueprint_.positions;
    auto const positions = (*this)("pos_embed");
    TensorView<float const, 3> const table(positions.vector().data() + learned.outside * shape.width, {learned.height, learned.width, shape.width});
    auto const fitted = resize_positions(table, shape.grid_height(), shape.grid_width(), how);
    Matrix<float> rows({shape.patches(), shape.width});
    std::copy(fitted.begin(), fitted.end(), rows.begin());
    return rows;
  }

 private:
  [[nodiscard]] static Index count(StoredTensor const& entry) {
    Index elements = 1;
    for (Index const extent : entry.shape) { elements *= extent; }
    return elements;
  }

  [[nodiscard]] static bool usable_in_place(StoredTensor const& entry) { return entry.type == ScalarType::f32 && reinterpret_cast<std::uintptr_t>(entry.bytes.data()) % alignof(float) == 0; }

  Checkpoint const& checkpoint_;
  VitBlueprint const& blueprint_;
};

}  // namespace accrete
