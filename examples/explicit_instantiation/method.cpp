#include "method.hpp"

template class accrete::Learner<accrete::Vit<>, accrete::NoPrompt, accrete::PrototypeHead>;
template accrete::Observation Method::observe(accrete::HostExecutor<> const&, accrete::Examples const&, accrete::Reading const&, accrete::TrainingRun const&);
template double Method::evaluate(accrete::HostExecutor<> const&, accrete::Examples const&, accrete::Reading const&) const;
