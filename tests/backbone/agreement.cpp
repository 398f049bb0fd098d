#include "support/agreement.hpp"

#include "support/executors.hpp"

namespace accrete::test::agreement_test {

TEST_CASE_TEMPLATE("in bfloat16 at least 995 of 1,000 pictures keep their class", Exec, ACCRETE_HOST_EXECUTORS) {
  Index const same = agreeing(Exec{.threads = 2, .precision = Precision::bfloat16}, Exec{.threads = 2}, 1000);
  if (same < 0) {
    MESSAGE("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  CAPTURE(same);
  CHECK(same >= 995);
}

}  // namespace accrete::test::agreement_test
