#include "use.hpp"

#include <accrete/host/eigen_products.hpp>

void three_learners(accrete::HostExecutor<> const& exec, accrete::HostExecutor<accrete::EigenProducts> const& plain, accrete::method::SimpleCil::Learner<>& simple_cil,
                    accrete::method::Ranpac::Learner<>& ranpac, accrete::Examples const& examples) {
  use(exec, simple_cil, examples, "model.safetensors");
  use(exec, ranpac, examples, "model.safetensors");
  use(plain, simple_cil, examples, "model.safetensors");
}
