#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/prototype.hpp>
#include <accrete/host/host.hpp>
#include <accrete/learner.hpp>

using Method = accrete::Learner<accrete::Vit<>, accrete::NoPrompt, accrete::PrototypeHead>;

// Compiled once, in method.cpp; whoever includes this header only calls it.
extern template class accrete::Learner<accrete::Vit<>, accrete::NoPrompt, accrete::PrototypeHead>;
extern template accrete::Observation Method::observe(accrete::HostExecutor<> const&, accrete::Examples const&, accrete::Reading const&, accrete::TrainingRun const&);
extern template double Method::evaluate(accrete::HostExecutor<> const&, accrete::Examples const&, accrete::Reading const&) const;
