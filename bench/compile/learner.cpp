#include "use.hpp"

void one_learner(accrete::HostExecutor<> const& exec, accrete::method::SimpleCil::Learner<>& simple_cil, accrete::Examples const& examples) { use(exec, simple_cil, examples, "model.safetensors"); }
