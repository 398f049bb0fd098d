#include "support/agreement.hpp"

#include <accrete/device/device.hpp>
#include <accrete/host/host.hpp>

namespace accrete::test::agreement_test {

TEST_CASE("on Thrust at least 199 of 200 pictures keep their class in bfloat16") {
  DeviceExecutor<OmpSystem> exec{};
  exec.precision = Precision::bfloat16;
  Index const same = agreeing(exec, HostExecutor<>{.threads = 2}, 200);
  if (same < 0) {
    MESSAGE("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  CAPTURE(same);
  CHECK(same >= 199);
}

}  // namespace accrete::test::agreement_test
