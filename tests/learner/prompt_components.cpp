#include "prompt_learning.hpp"

namespace accrete::test {

ACCRETE_COMPILE_METHOD(method::CodaPrompt);
ACCRETE_COMPILE_METHOD(method::CodaEntmax);
ACCRETE_COMPILE_METHOD(method::CodaSparsemax);
ACCRETE_COMPILE_METHOD(method::CodaTopk);

}  // namespace accrete::test
