#include "prompt_learning.hpp"

namespace accrete::test {

ACCRETE_COMPILE_METHOD(method::Dap);
ACCRETE_COMPILE_METHOD(method::DapBatchVote);
ACCRETE_COMPILE_METHOD(method::VptShallow);
ACCRETE_COMPILE_METHOD(method::VptDeep);

}  // namespace accrete::test
