#pragma once

#include <CLI/CLI.hpp>

namespace accrete::tool {

// Each adds one command to the tool; the command runs when the line is parsed.
void add_run(CLI::App& tool);
void add_resume(CLI::App& tool);
void add_learn(CLI::App& tool);
void add_predict(CLI::App& tool);
void add_evaluate(CLI::App& tool);
void add_merge(CLI::App& tool);
void add_forget(CLI::App& tool);
void add_features(CLI::App& tool);
void add_inspect(CLI::App& tool);
void add_methods(CLI::App& tool);

}  // namespace accrete::tool
