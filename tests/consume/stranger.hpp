#pragma once

#include <accrete/accrete.hpp>
#include <accrete/accrete_image.hpp>

#include <cstddef>
#include <span>

namespace stranger {

/// What a stranger's library does with accrete in its own headers: the umbrella, a kernel, a decoder.
inline bool works() {
  accrete::HostExecutor<> const exec{.threads = 1};
  auto scores = accrete::Matrix<float>::zeros({3, 4});
  accrete::kernels::softmax(exec, scores.view());
  bool refused = false;
  try {
    static_cast<void>(accrete::decode_image(std::span<std::byte const>(), "nothing"));
  } catch (accrete::FileError const&) { refused = true; }
  return scores(2, 3) == 0.25F && refused;
}

}  // namespace stranger
