#include "options.hpp"

#include <accrete/accrete_image.hpp>
#include <accrete/backbone/vit.hpp>
#include <accrete/data/cifar.hpp>
#include <accrete/io/model_file.hpp>

#include <functional>
#include <utility>

namespace accrete::tool {
namespace {

namespace fs = std::filesystem;

struct DataKind {
  std::string name;
  std::function<DataSet(std::string const&)> load;
  bool needs_folder = true;
};

std::vector<DataKind> const& data_kinds() {
  static std::vector<DataKind> const kinds{
      {"fashion-mnist", [](std::string const& folder) { return folder.empty() ? fashion_mnist() : fashion_mnist(folder); }, false},
      {"cifar10", [](std::string const& folder) { return cifar10(folder); }},
      {"cifar100", [](std::string const& folder) { return cifar100(folder); }},
      {"idx", [](std::string const& folder) { return idx(folder); }},
      {"folder", [](std::string const& folder) { return image_folder(folder); }},
  };
  return kinds;
}

}  // namespace

void RunOptions::declare(CLI::App& command) {
  command.add_option("--precision", precision, "float32 or bfloat16: what the frozen backbone multiplies")->check(CLI::IsMember({"float32", "bfloat16"}));
  command.add_option("--threads", threads, "Threads; 0: one per processor. Changes no result")->check(CLI::NonNegativeNumber);
  command.add_option("--batch", batch, "Images per pass of the backbone. Changes no result")->check(CLI::PositiveNumber);
  command.add_option("--cache", cache, "Folder that keeps features between runs");
  command.add_flag("--skip-bad", skip_bad, "Leave out images that cannot be read, and list them");
  command.add_flag("--quiet", quiet, "Print nothing but errors");
}

RunOn RunOptions::where() const { return {.threads = threads, .precision = precision == "bfloat16" ? Precision::bfloat16 : Precision::float32}; }

void BackboneOptions::declare(CLI::App& command) {
  command.add_option("--backbone", file, "Checkpoint (.safetensors, sharded index or folder); without it the shipped one, or the one a model was learned with");
  command.add_option("--heads", heads, "Attention heads, where the checkpoint does not say")->check(CLI::NonNegativeNumber);
  command.add_option("--image-size", image_size, "Pixels of the input, where it differs from the checkpoint's")->check(CLI::NonNegativeNumber);
}

void declare_moved_backbone(CLI::App& command, std::string& file) { command.add_option("--backbone", file, "Where the model's checkpoint lies now, if it moved"); }

fs::path BackboneOptions::path() const { return file.empty() ? shipped_backbone() : fs::path(file); }

VitOptions BackboneOptions::options() const {
  VitOptions options;
  if (heads > 0) { options.heads = heads; }
  if (image_size > 0) { options.image_height = image_size; }
  return options;
}

fs::path shipped_backbone() {
  constexpr char const* name = "vit_cifar_patch4_32.safetensors";
  std::error_code ignored;
  fs::path const program = fs::read_symlink("/proc/self/exe", ignored);
  for (fs::path const& folder : {program.parent_path() / "weights", program.parent_path().parent_path() / "share" / "accrete" / "weights", fs::path(ACCRETE_WEIGHTS_DIR)}) {
    if (fs::exists(folder / name, ignored)) { return folder / name; }
  }
  fail<FileError>(name, "the shipped backbone is not beside the program; name one with --backbone");
}

DataSet load_data(std::string const& spec) {
  std::size_t const colon = spec.find(':');
  std::string const kind = spec.substr(0, colon);
  std::string const folder = colon == std::string::npos ? std::string() : spec.substr(colon + 1);
  std::vector<std::string> names;
  for (DataKind const& known : data_kinds()) {
    names.push_back(known.name);
    if (known.name != kind) { continue; }
    if (known.needs_folder && folder.empty()) { fail<ValueError>("--data", kind, " needs a folder, as in ", kind, ":DIR"); }
    return known.load(folder);
  }
  fail<ValueError>("--data", "there is no '", kind, "'; did you mean '", nearest_name(kind, names), "'?");
}

Examples images_of_class(std::string const& name, std::vector<std::string> const& paths) {
  std::vector<fs::path> files;
  for (fs::path const path : paths) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<fs::path> const found = image_files(path);
    if (found.empty()) { fail<FileError>(path.string(), "there is no image in this folder"); }
    files.insert(files.end(), found.begin(), found.end());
  }
  std::vector<Index> labels(files.size(), 0);
  return labelled_files(std::move(files), std::move(labels), {name});
}

MethodEntry::Assignments parse_assignments(std::vector<std::string> const& texts) {
  MethodEntry::Assignments assignments;
  for (std::string const& text : texts) {
    std::size_t const equals = text.find('=');
    if (equals == std::string::npos || equals == 0) { fail<ValueError>("--set", "must be name=value (came: ", text, ")"); }
    assignments.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return assignments;
}

fs::path model_path(std::string const& name) {
  fs::path const path = name;
  return fs::is_directory(path) ? path / "model.safetensors" : path;
}

OpenedModel open_model(std::string const& name, std::string const& backbone) {
  fs::path const file = model_path(name);
  ModelReader const reader = ModelReader::open(file);
  for (MethodEntry const& entry : methods()) {
    if (entry.composition != reader.composition()) { continue; }
    return {.file = file, .method = &entry, .model = entry.load(file, Vit<>::read(reader.scope("backbone"), backbone))};
  }
  fail<FileError>(file.string(), "no method of this program is composed as the model is: ", reader.composition());
}

}  // namespace accrete::tool
