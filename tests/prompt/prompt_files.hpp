#pragma once

#include "prompt/placed.hpp"
#include "support/files.hpp"

#include <accrete/io/model_file.hpp>
#include <accrete/prompt/concept.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

namespace accrete::test {

template <class Prompt>
void write_prompt(std::filesystem::path const& path, Placed<Prompt> const& placed) {
  ModelWriter const writer("prompt");
  placed.prompt.write(placed.state, writer.scope("prompt"));
  writer.write(path);
}
template <class Prompt>
void read_prompt(std::filesystem::path const& path, Placed<Prompt>& placed) {
  placed.prompt.read(placed.state, ModelReader::open(path, "prompt").scope("prompt"));
}

/// A state comes back from its file to the bit, and what is not all of the file changes nothing.
template <class Prompt>
void check_file(Placed<Prompt> const& placed) {
  TemporaryFolder const folder;
  write_prompt(folder / "a", placed);
  Placed<Prompt> back(placed.prompt, {});
  read_prompt(folder / "a", back);
  CHECK(back.store() == placed.state.parameters());
  write_prompt(folder / "b", back);
  std::string const bytes = read_file(folder / "a");
  CHECK((read_file(folder / "b") == bytes));  // not to be printed
  if constexpr (MeasuresItself<Prompt>) { CHECK((back.store().size() == 0 || back.prompt.measures(back.state) == placed.prompt.measures(placed.state))); }

  auto const before = back.store();
  for (std::size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 50) {
    write_file(folder / "cut", bytes.substr(0, length));
    CHECK_THROWS_AS(read_prompt(folder / "cut", back), FileError);
  }
  CHECK(back.store() == before);
}

/// A prompt of other settings refuses the file of this one and stays what it was.
template <class Prompt>
void check_refused(Placed<Prompt> const& written, Placed<Prompt> reads) {
  TemporaryFolder const folder;
  write_prompt(folder / "a", written);
  auto const before = reads.store();
  CHECK_THROWS_AS(read_prompt(folder / "a", reads), FileError);
  CHECK(reads.store() == before);
}

}  // namespace accrete::test
