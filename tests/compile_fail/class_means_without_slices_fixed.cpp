#include <accrete/prompt/key_query.hpp>

using Prompt = accrete::KeyQueryPrompt<accrete::Prefix, accrete::TaskSlice, accrete::ClassMeanKeys>;
static_assert(accrete::LearnedPrompt<Prompt>);
