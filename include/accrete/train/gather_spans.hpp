#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <span>

namespace accrete {

/// Number of elements of spans.
[[nodiscard]] inline Index span_elements(std::span<ParameterSpan const> spans) {
  Index count = 0;
  for (ParameterSpan const& span : spans) { count += span.count; }
  return count;
}

/// What learns, side by side: the vector that gradient policies see. Spans without a gradient hold zeros in `buffer`.
/// @param[in] buffer of the store's layout;  @param[out] out [span_elements(spans)]
/// @throws ShapeError  when a span leaves the buffer or `out` has another length; `out` is unchanged in the second case
template <class T>
void gather_spans(VectorView<T const> buffer, std::span<ParameterSpan const> spans, NonDeduced<VectorView<T>> out) {
  expects(out.size() == span_elements(spans), "gather_spans", "the result must be as long as all spans", out.size(), span_elements(spans));
  T* place = out.data();
  for (ParameterSpan const& span : spans) {
    auto const part = buffer.slice(span.first, span.count);
    place = std::copy(part.begin(), part.end(), place);
  }
}

/// The way back; what lies outside of the spans keeps its value.
/// @param[in] values [span_elements(spans)];  @param[out] buffer of the store's layout
/// @throws ShapeError  when a span leaves the buffer or `values` has another length
template <class T>
void scatter_spans(VectorView<T const> values, std::span<ParameterSpan const> spans, NonDeduced<VectorView<T>> buffer) {
  expects(values.size() == span_elements(spans), "scatter_spans", "the values must be as long as all spans", values.size(), span_elements(spans));
  T const* place = values.data();
  for (ParameterSpan const& span : spans) {
    std::copy_n(place, span.count, buffer.slice(span.first, span.count).begin());
    place += span.count;
  }
}

}  // namespace accrete
