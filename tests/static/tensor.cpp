#include <accrete/core/bfloat16.hpp>
#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>

#include <cstddef>
#include <type_traits>

namespace {

using accrete::Matrix;
using accrete::MatrixView;
using accrete::Shape;
using accrete::TensorView;

struct OtherMemory {
  static void* allocate(std::size_t bytes);
  static void release(void* pointer, std::size_t bytes) noexcept;
};

// Views are passed in registers and to kernels by value.
static_assert(std::is_trivially_copyable_v<TensorView<float, 4>> && std::is_trivially_copyable_v<accrete::RowsView<float>>);
// What may be written may be read, never the other way round.
static_assert(std::is_convertible_v<MatrixView<float>, MatrixView<float const>>);
static_assert(!std::is_convertible_v<MatrixView<float const>, MatrixView<float>>);
static_assert(std::is_convertible_v<Matrix<float>&, MatrixView<float>> && !std::is_convertible_v<Matrix<float> const&, MatrixView<float>>);
// Ranks and scalars do not mix.
static_assert(!std::is_convertible_v<MatrixView<float>, TensorView<float, 3>> && !std::is_convertible_v<MatrixView<float>, MatrixView<double>>);
// Host memory copies; the memory of a device moves only.
static_assert(std::is_copy_constructible_v<Matrix<float>> && std::is_nothrow_move_constructible_v<Matrix<float>>);
static_assert(!std::is_copy_constructible_v<Matrix<float, OtherMemory>> && std::is_nothrow_move_constructible_v<Matrix<float, OtherMemory>>);

static_assert(accrete::element_count(Shape<3>{2, 3, 4}) == 24 && accrete::element_count(Shape<2>{0, 7}) == 0);

// Known values of IEEE half precision and bfloat16, at compile time.
static_assert(accrete::to_float(accrete::float16{0x3C00}) == 1.0F && accrete::to_float(accrete::float16{0x0001}) == 0x1p-24F);
static_assert(accrete::to_float16(65504.0F).bits == 0x7BFF && accrete::to_float16(65520.0F).bits == 0x7C00);
static_assert(accrete::to_bfloat16(1.00390625F).bits == 0x3F80 && accrete::to_bfloat16(1.01171875F).bits == 0x3F82);  // ties to even

// Three tiles hold the lower triangle of a matrix of two tiles a side; both orders of a pair name one element.
constexpr accrete::Index edge = accrete::TriangleTiles::edge;
constexpr accrete::TriangleTiles two_a_side{edge + 1};
static_assert(two_a_side.tiles() == 2 && two_a_side.size() == 3 * edge * edge);
static_assert(two_a_side.element(edge, 1) == two_a_side.element(1, edge) && two_a_side.element(edge, 1) >= edge * edge);

}  // namespace
