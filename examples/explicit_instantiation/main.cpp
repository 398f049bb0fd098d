// How is a learner compiled once and used in many source files? Declare its instantiation extern in a header, define it in one source.
#include "method.hpp"

#include <accrete/data/idx.hpp>
#include <accrete/stream/stream.hpp>

#include <iostream>

int main() {
  accrete::HostExecutor<> const exec{.threads = 2};
  Method learner{accrete::Vit<>::load(ACCRETE_WEIGHTS_DIR "/vit_cifar_patch4_32.safetensors")};
  for (accrete::Task const& task : accrete::class_incremental(accrete::fashion_mnist(), {.tasks = 2, .train_per_class = 20})) {
    learner.observe(exec, task.train());
    std::cout << learner.classes().size() << " classes: " << learner.evaluate(exec, task.seen().first_per_class(20)) << " %\n";
  }
}
