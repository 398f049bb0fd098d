// expect-error: AcceptsPrompts
#include <accrete/backbone/concept.hpp>

// Encodes images, but nothing can be injected into it.
struct Closed {
  [[nodiscard]] accrete::Index width() const { return 8; }
  [[nodiscard]] accrete::Index depth() const { return 1; }
  [[nodiscard]] accrete::Index heads() const { return 1; }
  [[nodiscard]] accrete::Preprocessing preprocessing() const { return {}; }
  [[nodiscard]] std::string hash() const { return "closed"; }
  template <class Exec>
  [[nodiscard]] accrete::Tensor<float, 3, typename Exec::Memory> embed(Exec const&, accrete::TensorView<float const, 4>) const;
  template <class Exec>
  [[nodiscard]] accrete::Matrix<float, typename Exec::Memory> query(Exec const&, accrete::TensorView<float const, 3>) const;
  template <class Exec>
  [[nodiscard]] accrete::Matrix<float, typename Exec::Memory> features(Exec const&, accrete::TensorView<float const, 4>) const;
};
static_assert(accrete::BackboneAdapter<Closed>);
