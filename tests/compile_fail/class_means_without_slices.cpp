// expect-error: need a selector that gives each task slots of its own
#include <accrete/prompt/key_query.hpp>

using Prompt = accrete::KeyQueryPrompt<accrete::Prefix, accrete::TopK, accrete::ClassMeanKeys>;
static_assert(accrete::LearnedPrompt<Prompt>);
