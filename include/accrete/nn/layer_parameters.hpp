#pragma once

#include <accrete/core/parameter_store.hpp>

#include <functional>
#include <string>
#include <utility>

namespace accrete::nn {

/// Where the learned values of one array lie: in the buffer of a ParameterStore and, at the same place, in the gradient.
struct LearnedPart {
  Index offset = 0;
  Index count = 0;      ///< 0: there is no such array among what learns
  bool learns = false;  ///< false: its values come from the store, but they stand still

  explicit operator bool() const { return count > 0; }

  template <class S>
  [[nodiscard]] VectorView<S> vector(VectorView<S> buffer) const {
    return buffer.slice(offset, count);
  }
  template <class S>
  [[nodiscard]] MatrixView<S> matrix(VectorView<S> buffer, Index rows) const {
    return vector(buffer).template reshaped<2>({rows, count / rows});
  }
  /// Rows [first, first + rows) of an array with `all` rows.
  [[nodiscard]] LearnedPart rows(Index first, Index rows, Index all) const { return count == 0 ? *this : LearnedPart{offset + count / all * first, count / all * rows, learns}; }
};

/// The values of layers by canonical name while a network learns: what the store holds comes from there, everything else is published.
/// Which parts of a layer exist and which of them learn follows from the names in the store alone.
/// @tparam S  float or double
template <class S>
class LayerParameters {
 public:
  /// Published values by name, empty where there are none.
  using Published = std::function<Vector<S>(std::string const& name)>;

  /// @param[in] store  must outlive this object
  LayerParameters(Published published, ParameterStore<S> const& store) : published_(std::move(published)), store_(store) {}

  /// All values in row-major order; empty when neither knows the name.
  [[nodiscard]] Vector<S> operator()(std::string const& name) const {
    LearnedPart const part = learned(name);
    if (!part) { return published_(name); }
    Vector<S> copy({part.count});
    auto const values = part.vector(store_.values());
    std::copy(values.begin(), values.end(), copy.begin());
    return copy;
  }

  /// Where the store keeps an array.
  [[nodiscard]] LearnedPart learned(std::string const& name) const {
    if (!store_.contains(name)) { return {}; }
    ParameterSegment const& segment = store_.segment(name);
    return {store_.offset(name), store_.values().empty() ? 0 : segment.elements(), segment.trainable_rows > 0};
  }

  [[nodiscard]] ParameterStore<S> const& store() const { return store_; }

 private:
  Published published_;
  ParameterStore<S> const& store_;
};

}  // namespace accrete::nn
