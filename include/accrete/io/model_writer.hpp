#pragma once

#include <accrete/io/json.hpp>
#include <accrete/io/safetensors_writer.hpp>
#include <accrete/version.hpp>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// What a model file says of itself in its metadata.
struct ModelFormat {
  static constexpr std::string_view name = "accrete-model";
  static constexpr int version = 1;  ///< grows when an older reader could not understand a newer file
};

/// Collects the state of a learner and writes it as one safetensors file: tensors under dotted names, settings as JSON texts in the metadata.
/// Each part writes into a scope of its own, so that two heads in one model never collide:
///   writer.scope("head").tensor("sums", sums)   is stored as   head.sums
/// Copies and scopes share one file. Views must live until `write`; owners that are moved in live in the writer.
class ModelWriter {
 public:
  /// @param[in] composition  the name of the type whose state this is; a reader of another type refuses the file
  explicit ModelWriter(std::string_view composition) : store_(std::make_shared<Store>()) {
    store_->file.metadata("format", std::string(ModelFormat::name));
    store_->file.metadata("format_version", std::to_string(ModelFormat::version));
    store_->file.metadata("accrete_version", ACCRETE_VERSION);
    store_->file.metadata("composition", std::string(composition));
  }

  /// A writer into the same file whose names begin with `name` and a dot.
  [[nodiscard]] ModelWriter scope(std::string_view name) const { return ModelWriter(store_, prefix_ + std::string(name) + "."); }

  /// Adds a tensor of host memory that lives until `write`.
  /// @throws ValueError  when the name was used before
  template <class T, int Rank>
  void tensor(std::string_view name, TensorView<T, Rank> view) const {
    store_->file.add(prefix_ + std::string(name), view);
  }
  template <class T, int Rank>
  void tensor(std::string_view name, Tensor<T, Rank, HostMemory> const& owner) const {
    tensor(name, owner.view());
  }
  /// Adds a tensor that the writer keeps.
  /// @throws ValueError  when the name was used before
  template <class T, int Rank>
  void tensor(std::string_view name, Tensor<T, Rank, HostMemory>&& owner) const {
    auto kept = std::make_shared<Tensor<T, Rank, HostMemory>>(std::move(owner));
    tensor(name, std::as_const(*kept).view());
    store_->kept.push_back(std::move(kept));
  }

  /// Sets a setting: a number, a text, a boolean, or a list or object of them. Numbers read back to the same bits.
  /// @throws ValueError  for a number that is not finite (JSON has none), a repeated name, or text that is not UTF-8
  void setting(std::string_view name, Json const& value) const {
    auto const full = prefix_ + std::string(name);
    if (!value.can_be_written()) { fail<ValueError>("ModelWriter", "setting ", full, " is not UTF-8 text or a finite number: ", value.dump()); }
    if (!store_->settings.emplace(full).second) { fail<ValueError>("ModelWriter", "there is a setting ", full, " already"); }
    store_->file.metadata("setting." + full, value.dump());
  }

  /// Writes everything atomically.
  /// @throws FileError  when the disk refuses; `path` is then what it was
  void write(std::filesystem::path const& path) const { store_->file.write(path); }

 private:
  struct Store {
    SafetensorsWriter file;
    std::set<std::string> settings;
    std::vector<std::shared_ptr<void const>> kept;
  };

  ModelWriter(std::shared_ptr<Store> store, std::string prefix) : store_(std::move(store)), prefix_(std::move(prefix)) {}

  std::shared_ptr<Store> store_;
  std::string prefix_;
};

}  // namespace accrete
