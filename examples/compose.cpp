// How is a method composed? Name a backbone, a prompt and a head; observe tasks; ask.
#include <accrete/accrete.hpp>
#include <accrete/accrete_image.hpp>

#include <iostream>

namespace ac = accrete;
using Method = ac::Learner<ac::Vit<>, ac::NoPrompt, ac::RidgeHead<ac::RandomProjection>>;

int main() {
  ac::HostExecutor<> const exec{.threads = 2};
  Method learner{ac::Vit<>::load(ACCRETE_WEIGHTS_DIR "/vit_cifar_patch4_32.safetensors"), {}, {.projection = 1000}};
  for (ac::Task const& task : ac::class_incremental(ac::fashion_mnist(), {.tasks = 5, .train_per_class = 40})) {
    learner.observe(exec, task.train());
    std::cout << learner.classes().size() << " classes: " << learner.evaluate(exec, task.seen().first_per_class(40)) << " %\n";
  }
}
