#include "support/executors.hpp"
#include "support/training_checks.hpp"

#include <doctest/doctest.h>

namespace accrete::test::vit_training_test {

TEST_CASE_TEMPLATE("gradients of every tuning are those of autograd", Exec, ACCRETE_HOST_EXECUTORS) {
  check_tuned_gradients<float>(Exec{.threads = 2});
  check_tuned_gradients<bfloat16>(Exec{.threads = 2, .precision = Precision::bfloat16});
}

TEST_CASE("in double, gradients of every tuning are those of autograd to the last digits") {
  check_tuned_gradients<double>(HostExecutor<EigenProducts>{.threads = 2, .precision = Precision::float64});
}

TEST_CASE_TEMPLATE("gradients of prompts and prefixes are those of autograd", Exec, ACCRETE_HOST_EXECUTORS) {
  check_injected_gradients<float>(Exec{.threads = 2});
  check_injected_gradients<bfloat16>(Exec{.threads = 2, .precision = Precision::bfloat16});
}

TEST_CASE("in double, gradients of prompts and prefixes are those of autograd") { check_injected_gradients<double>(HostExecutor<EigenProducts>{.precision = Precision::float64}); }

}  // namespace accrete::test::vit_training_test
