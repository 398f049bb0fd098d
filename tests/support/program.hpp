#pragma once

#include "files.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace accrete::test {

/// What a finished program left behind.
struct Finished {
  int code = -1;  ///< exit status; 128 + signal when it was killed
  std::string out;
  std::string err;
};

/// Runs a program without a shell and waits for it.
[[nodiscard]] inline Finished run_program(std::filesystem::path const& program, std::vector<std::string> const& arguments) {
  TemporaryFolder const folder;
  std::filesystem::path const out = folder / "out";
  std::filesystem::path const err = folder / "err";
  pid_t const child = fork();
  if (child == 0) {
    bool const ready = std::freopen(out.c_str(), "wb", stdout) != nullptr && std::freopen(err.c_str(), "wb", stderr) != nullptr && std::freopen("/dev/null", "rb", stdin) != nullptr;
    std::vector<char*> list;
    std::string name = program.string();
    std::vector<std::string> copies = arguments;
    list.push_back(name.data());
    for (std::string& argument : copies) { list.push_back(argument.data()); }
    list.push_back(nullptr);
    if (ready) { execv(name.c_str(), list.data()); }
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), .out = read_file(out), .err = read_file(err)};
}

}  // namespace accrete::test
