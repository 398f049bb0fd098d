#include <accrete/vote/energy.hpp>
#include <accrete/vote/task_vote.hpp>

namespace {

using namespace accrete;

static_assert(TaskVote<EnergyVote> && !TaskVote<int>);

struct Stateless : EnergyVote {
 private:
  using EnergyVote::State;
};
static_assert(!HasVoteState<Stateless> && !TaskVote<Stateless>);

struct Deaf : EnergyVote {
  void observe() const;
};
static_assert(HasVoteState<Deaf> && !CalibratesItself<Deaf> && CountsVotes<Deaf> && !TaskVote<Deaf>);

struct Silent : EnergyVote {
  void votes() const;
};
static_assert(CalibratesItself<Silent> && !CountsVotes<Silent> && !TaskVote<Silent>);

}  // namespace
