#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/loss/columns.hpp>
#include <accrete/train/term/concept.hpp>

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Keeps what a learner answers among the classes of earlier tasks, u being the logits of network and head as the task began:
///   p = softmax(z / T),  q = softmax(u / T) over the earlier columns;   loss = weight * T^2 * mean_b KL(q || p),   dz = weight * T (p - q) / B
/// T^2 keeps the gradient's size whatever T is; it stands in the value too. ZSCL's value counts the teacher's entropy besides, which has no gradient.
/// Where a protocol lets only a task's own classes compete, earlier rows of the head stand still, and the gradient goes through them to the features.
/// @source specification: mixture-methods.md §4.4, §4.10 (1)
struct LogitDistillation {
  static constexpr std::string_view name = "logit-distillation";

  double weight = 1.0;
  double temperature = 2.0;  ///< T

  [[nodiscard]] bool asks_for_logits() const { return weight > 0.0; }

  /// @param[in] logits, teacher [B, C];  @param[in] earlier  columns of the classes that the teacher knows;  @param[in,out] d_logits [B, C]; no other column is touched
  /// @returns the value; 0 without an earlier class
  /// @throws ShapeError  when shapes differ or the columns leave them;  ValueError  for a temperature that is not positive;  `d_logits` is unchanged then
  template <class T>
  double judge_logits_beside(NonDeduced<MatrixView<T const>> logits, NonDeduced<MatrixView<T const>> teacher, ColumnRange earlier, MatrixView<T> d_logits) const {
    if (!(temperature > 0.0)) { fail<ValueError>("LogitDistillation", "the temperature must be positive (came: ", temperature, ")"); }
    if (earlier.count == 0) { return 0.0; }
    detail::check_loss<T>("LogitDistillation", logits, earlier, d_logits);
    expects(teacher.shape() == logits.shape(), "LogitDistillation", "logits and the teacher's must have one shape [B, C]", logits.extent(0), logits.extent(1), teacher.extent(0), teacher.extent(1));
    double const each = weight * temperature / static_cast<double>(logits.extent(0));
    Vector<double> z({earlier.count});
    Vector<double> u({earlier.count});
    std::vector<double> p;
    std::vector<double> q;
    double divergence = 0.0;
    for (Index b = 0; b < logits.extent(0); ++b) {
      for (Index k = 0; k < earlier.count; ++k) {
        z(k) = static_cast<double>(logits(b, earlier.first + k)) / temperature;
        u(k) = static_cast<double>(teacher(b, earlier.first + k)) / temperature;
      }
      double const shift = detail::softmax_row<double>(z.cview(), p) - detail::softmax_row<double>(u.cview(), q);
      T* const dz = d_logits[b].data() + earlier.first;
      for (std::size_t k = 0; k < p.size(); ++k) {
        divergence += q[k] * (u.data()[k] - z.data()[k] + shift);
        dz[k] = static_cast<T>(static_cast<double>(dz[k]) + each * (p[k] - q[k]));
      }
    }
    return each * temperature * divergence;
  }

  [[nodiscard]] static std::vector<Setting<LogitDistillation>> settings() {
    return {number_setting("logit-distillation", "weight of the term that keeps the answers among earlier classes; 0: none", &LogitDistillation::weight, 0.0, 1e12),
            number_setting("distillation-temperature", "what both logits are divided by", &LogitDistillation::temperature, 1e-6, 1e6)};
  }
};
static_assert(JudgesLogitsBesideTeacher<LogitDistillation>);

}  // namespace accrete
