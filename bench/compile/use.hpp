#pragma once

#include <accrete/accrete.hpp>

#include <filesystem>
#include <string>

/// What a program does with a learner, so that everything behind it is compiled.
template <class Learner, class Exec>
void use(Exec const& exec, Learner& learner, accrete::Examples const& examples, std::filesystem::path const& path) {
  learner.observe(exec, examples);
  auto const predictions = learner.predict(exec, examples);
  learner.save(path);
  learner.merge(exec, Learner::load(path, learner.backbone()));
  learner.forget(exec, std::string("a class"), accrete::MatrixView<float const>(predictions.scores));
}
