#pragma once

#include "method.hpp"

#include <accrete/backbone/vit_options.hpp>
#include <accrete/data/data_set.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace accrete::tool {

/// Options that say where a command runs and how it reads images; shared by every command that does.
struct RunOptions {
  std::string precision = "float32";
  int threads = 0;
  Index batch = 64;
  bool skip_bad = false;
  bool quiet = false;
  std::string cache;  ///< folder of the feature cache; none when empty

  void declare(CLI::App& command);
  [[nodiscard]] RunOn where() const;
};

/// Options that name a backbone.
struct BackboneOptions {
  std::string file;
  Index heads = 0;
  Index image_size = 0;

  void declare(CLI::App& command);
  /// The named file, or the shipped backbone when none is named.
  [[nodiscard]] std::filesystem::path path() const;
  /// What to say when the checkpoint is opened.
  [[nodiscard]] VitOptions options() const;
};

/// The backbone that comes with the project.
[[nodiscard]] std::filesystem::path shipped_backbone();

/// Reads `fashion-mnist[:DIR]`, `cifar10:DIR`, `cifar100:DIR`, `idx:DIR` or `folder:DIR`.
/// @throws ValueError  for another kind, naming the nearest;  FileError from the reader
[[nodiscard]] DataSet load_data(std::string const& spec);

/// Images of one new class out of files and folders, every image below a folder included.
/// @throws FileError  when there is none
[[nodiscard]] Examples images_of_class(std::string const& name, std::vector<std::string> const& paths);

/// Splits `name=value` settings.
/// @throws ValueError  for one without `=`
[[nodiscard]] MethodEntry::Assignments parse_assignments(std::vector<std::string> const& texts);

/// A model file, or the one inside a run's folder.
[[nodiscard]] std::filesystem::path model_path(std::string const& name);

/// A loaded model with what is needed to save it again.
struct OpenedModel {
  std::filesystem::path file;
  MethodEntry const* method = nullptr;
  std::unique_ptr<Model> model;
};

/// Declares `--backbone` for a command on a model: where its checkpoint lies now, if it moved.
void declare_moved_backbone(CLI::App& command, std::string& file);

/// Finds the method by the composition the file names, loads its backbone and its state.
/// @param[in] backbone  where the checkpoint lies now; empty: where the model says
[[nodiscard]] OpenedModel open_model(std::string const& name, std::string const& backbone);

}  // namespace accrete::tool
