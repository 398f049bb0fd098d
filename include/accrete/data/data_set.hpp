#pragma once

#include <accrete/data/examples.hpp>

#include <string>

namespace accrete {

/// Pictures to learn from and pictures to be judged by. Both sides have the same class names.
struct DataSet {
  Examples train;
  Examples test;
  std::string name;  ///< such as "cifar100"
  std::string note;  ///< what a reader of a result must know, such as how an automatic split was drawn; empty when nothing
};

}  // namespace accrete
