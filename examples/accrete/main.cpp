#include "commands.hpp"

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/train/checkpoint.hpp>
#include <accrete/version.hpp>

#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

namespace {

constexpr int done = 0;
constexpr int refused = 1;
constexpr int wrong_usage = 2;
constexpr int interrupted = 130;  // as a shell reports a program that Ctrl-C ended

/// One sentence on one line, whatever the message held.
int refuse(std::string text, int code) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') { c = ' '; }
  }
  std::cerr << "accrete: error: " << text << '\n';
  return code;
}

/// What is wrong with a command line; an unknown word is told together with the nearest one that there is.
std::string explain(CLI::App const& tool, CLI::ParseError const& error) {
  auto const parsed = tool.get_subcommands();
  CLI::App const& place = parsed.empty() ? tool : *parsed.front();
  std::vector<std::string> known;
  std::string kind = "option";
  if (parsed.empty()) {
    kind = "command";
    for (CLI::App const* const command : tool.get_subcommands(nullptr)) { known.push_back(command->get_name()); }
  } else {
    for (CLI::Option const* const option : place.get_options()) {
      for (std::string const& name : option->get_lnames()) { known.push_back("--" + name); }
    }
  }
  std::vector<std::string> const unknown = place.remaining();
  if (unknown.empty()) { return error.what(); }
  std::string const word = unknown.front().substr(0, unknown.front().find('='));
  return accrete::message("there is no ", kind, " '", word, "'; did you mean '", accrete::nearest_name(word, known), "'?");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App tool{"accrete learns new classes on a pre-trained vision transformer, and keeps the old ones", "accrete"};
  tool.set_version_flag("--version", ACCRETE_VERSION);
  tool.require_subcommand(1);
  tool.option_defaults()->always_capture_default();
  accrete::tool::add_run(tool);
  accrete::tool::add_resume(tool);
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
  } catch (CLI::ParseError const& error) { return error.get_exit_code() == 0 ? tool.exit(error) : refuse(explain(tool, error), wrong_usage); } catch (accrete::Interrupted const& stop) {
    std::cerr << "accrete: " << stop.what() << '\n';
    return interrupted;
  } catch (accrete::Error const& error) { return refuse(error.what(), refused); } catch (std::bad_alloc const&) {
    return refuse("there is not enough memory for this", refused);
  } catch (std::exception const& error) { return refuse(error.what(), refused); }
  return done;
}
