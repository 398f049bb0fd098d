#pragma once

#include <accrete/backbone/vit.hpp>

#include <utility>
#include <variant>

namespace accrete {

/// One stage of learning of a vision transformer, in the precision of its executor.
///
///   VitTrainer<HostExecutor<>> trainer(exec, vit);
///   trainer.forward(images, hook, features.view(), {.seed = 1, .purpose = Purpose::dropout, .object = step});
///   trainer.backward(d_features, hook);
///   // move the parameters along trainer.gradients()
///   trainer.refresh(parameters);
///   trainer.zero_gradients();
///
/// @tparam Exec  Executor
template <class Exec>
class VitTrainer {
 public:
  /// @param vit        whose parameters learn; it may go while this object lives
  /// @param read_rows  how many first rows a hook has the feature made of; 0: as the network reads it
  template <class Tuning>
  VitTrainer(Exec const& exec, Vit<Tuning> const& vit, Index read_rows = 0) : training_(begin(exec, vit, read_rows)) {}

  /// Takes over new values of the segments of `vit.parameters()`.
  void refresh(ParameterStore<float> const& parameters) {
    std::visit([&](auto& training) { training.refresh(parameters.values()); }, training_);
  }

  /// @param[in]  images   [B, channels, H, W] preprocessed, in the executor's memory; must stay until `backward`
  /// @param[out] features [B, D] in the executor's memory
  /// @param      dropout  Purpose::dropout; `object` numbers the step
  template <class Hook>
  void forward(TensorView<float const, 4> images, Hook& hook, MatrixView<float> features, RngKey const& dropout) {
    std::visit([&](auto& training) { training.forward(images, hook, features, dropout); }, training_);
  }

  /// The same from the tokens in front of block `first`; nothing below it may learn.
  /// @param[in] tokens [B, T, D] as `Vit::front` gives them, in the executor's memory
  template <class Hook>
  void forward_behind(TensorView<float const, 3> tokens, Index first, Hook& hook, MatrixView<float> features, RngKey const& dropout) {
    std::visit([&](auto& training) { training.forward_behind(tokens, first, hook, features, dropout); }, training_);
  }

  /// Adds to `gradients()`, and gives the hook its own.
  /// @param[in] d_features [B, D] in the executor's memory;  @param what  the gradients of the batch, or the squares of the samples' own
  template <class Hook>
  void backward(MatrixView<float const> d_features, Hook& hook, Accumulates what = Accumulates::sums) {
    std::visit([&](auto& training) { training.backward(d_features, hook, what); }, training_);
  }

  /// What was added up since the last `zero_gradients`, laid out as the buffer of `vit.parameters()`; host memory.
  [[nodiscard]] VectorView<float const> gradients() {
    return std::visit([](auto& training) { return training.gradients(); }, training_);
  }
  void zero_gradients() {
    std::visit([](auto& training) { training.zero_gradients(); }, training_);
  }

  /// Bytes of working memory, tape included.
  [[nodiscard]] std::size_t scratch_bytes() const {
    return std::visit([](auto const& training) { return training.scratch_bytes(); }, training_);
  }

 private:
  using Training = std::variant<VitTraining<Exec, float>, VitTraining<Exec, bfloat16>>;

  template <class Tuning>
  [[nodiscard]] static Training begin(Exec const& exec, Vit<Tuning> const& vit, Index read_rows) {
    if (exec.precision == Precision::bfloat16) { return Training(std::in_place_type<VitTraining<Exec, bfloat16>>, vit.template training<bfloat16>(exec, vit.parameters(), read_rows)); }
    return Training(std::in_place_type<VitTraining<Exec, float>>, vit.template training<float>(exec, vit.parameters(), read_rows));
  }

  Training training_;
};

}  // namespace accrete
