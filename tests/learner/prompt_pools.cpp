#include "prompt_learning.hpp"

namespace accrete::test {

ACCRETE_COMPILE_METHOD(method::L2p);
ACCRETE_COMPILE_METHOD(method::L2pFrequencyPenalty);
ACCRETE_COMPILE_METHOD(method::L2pBatchVote);
ACCRETE_COMPILE_METHOD(method::Dualprompt);
ACCRETE_COMPILE_METHOD(method::DualpromptBatchVote);
ACCRETE_COMPILE_METHOD(method::DualpromptPilot);
ACCRETE_COMPILE_METHOD(DualpromptOfMeans);
ACCRETE_COMPILE_METHOD(L2pOfTokens);

}  // namespace accrete::test
