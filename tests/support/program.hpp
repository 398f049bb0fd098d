#pragma once

#include "files.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

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
    // Descriptors, not streams: a stream would first flush what the parent had buffered, a second time.
    auto const redirect = [](int descriptor, char const* path, int flags) { return dup2(open(path, flags, 0600), descriptor) == descriptor; };
    bool const ready = redirect(STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT) && redirect(STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT) && redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
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
