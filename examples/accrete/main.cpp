#include "commands.hpp"

#include <accrete/core/error.hpp>
#include <accrete/version.hpp>

#include <exception>
#include <iostream>
#include <new>

namespace {

constexpr int done = 0;
constexpr int refused = 1;
constexpr int wrong_usage = 2;

/// One sentence on one line, whatever the message held.
int refuse(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') { c = ' '; }
  }
  std::cerr << "accrete: error: " << text << '\n';
  return refused;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App tool{"accrete learns new classes on a pre-trained vision transformer, and keeps the old ones", "accrete"};
  tool.set_version_flag("--version", ACCRETE_VERSION);
  tool.require_subcommand(1);
  tool.option_defaults()->always_capture_default();
  accrete::tool::add_run(tool);
  accrete::tool::add_learn(tool);
  accrete::tool::add_predict(tool);
  accrete::tool::add_evaluate(tool);
  accrete::tool::add_merge(tool);
  accrete::tool::add_forget(tool);
  accrete::tool::add_features(tool);
  accrete::tool::add_inspect(tool);
  accrete::tool::add_methods(tool);
  try {
    tool.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    int const code = tool.exit(error);
    return code == 0 ? done : wrong_usage;
  } catch (accrete::Error const& error) {
    return refuse(error.what());
  } catch (std::bad_alloc const&) {
    return refuse("there is not enough memory for this");
  } catch (std::exception const& error) {
    return refuse(error.what());
  }
  return done;
}
