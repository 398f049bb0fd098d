// expect-error: where that is wanted, say predict_batchwise
#include <accrete/backbone/vit.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/host/host.hpp>
#include <accrete/learner.hpp>
#include <accrete/prompt/key_query.hpp>
#include <accrete/prompt/scope/batch_vote.hpp>
#include <accrete/train/gradient_protocol.hpp>

using namespace accrete;

using Voting = KeyQueryPrompt<InputTokens<ReadsPrompt>, TopK, LearnedKeys, BatchVote>;
using Method = Learner<Vit<>, Voting, LinearHead, NoMerge, GradientProtocol<Trains::every_task, Competing::of_task>>;

Predictions answers(Method const& method, Examples const& pictures) { return method.predict(HostExecutor<>{}, pictures); }
