#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/hash.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/data_set.hpp>
#include <accrete/data/detail/names.hpp>
#include <accrete/data/detail/read_file.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/data/idx_array.hpp>
#include <accrete/data/image.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Grey or colour pictures of an IDX array with their labels; grey is replicated to three channels.
/// @param pictures [N, H, W] or [N, H, W, 3]     @param labels [N]     @param name  how a picture is called: name[i]
/// @throws FileError  when the shapes do not fit each other or a label has no class name
[[nodiscard]] inline Examples idx_examples(IdxArray pictures, IdxArray const& labels, std::string name, std::vector<std::string> class_names) {
  auto const rank = pictures.shape.size();
  if (rank != 3 && !(rank == 4 && pictures.shape[3] == 3)) { fail<FileError>("idx_examples", name, " must hold pictures of [N, H, W] or [N, H, W, 3]; it has ", rank, " dimensions"); }
  if (labels.shape.size() != 1 || labels.shape[0] != pictures.shape[0]) {
    fail<FileError>("idx_examples", name, " has ", pictures.shape[0], " pictures but ", labels.values.size(), " labels in ", labels.shape.size(), " dimensions");
  }
  Source source;
  source.class_names = std::move(class_names);
  source.labels.assign(labels.values.begin(), labels.values.end());
  auto const classes = static_cast<Index>(source.class_names.size());
  auto const wrong = std::find_if(source.labels.begin(), source.labels.end(), [&](Index label) { return label >= classes; });
  if (wrong != source.labels.end()) { fail<FileError>("idx_examples", name, '[', wrong - source.labels.begin(), "] has the label ", *wrong, "; there are ", classes, " classes"); }

  auto const stored = std::make_shared<IdxArray const>(std::move(pictures));
  Index const bytes = stored->values.size() / stored->shape[0];
  source.image = [stored, bytes](Index i) {
    Index const height = stored->shape[1];
    Index const width = stored->shape[2];
    Image image{Tensor<std::uint8_t, 3>({height, width, 3})};
    std::uint8_t const* const pixels = stored->values.data() + i * bytes;
    if (bytes == image.pixels.size()) {
      std::copy_n(pixels, bytes, image.pixels.data());
    } else {
      for (Index p = 0; p < bytes; ++p) { std::fill_n(image.pixels.data() + 3 * p, 3, pixels[p]); }
    }
    return image;
  };
  source.id = [stored, bytes](Index i) { return hash64(detail::as_bytes({stored->values.data() + i * bytes, {bytes}})); };
  source.where = [name = std::move(name)](Index i) { return message(name, '[', i, ']'); };
  return Examples(std::move(source));
}

namespace detail {

/// The IDX file of this role under any of the names in use: `train-images-idx3-ubyte`, `train-images.idx3-ubyte`, each plain or with `.gz`.
[[nodiscard]] inline std::filesystem::path find_idx(std::filesystem::path const& folder, std::string const& role, std::string const& kind) {
  std::error_code ignored;
  for (char const separator : {'-', '.'}) {
    for (char const* const packing : {"", ".gz"}) {
      auto path = folder / (role + separator + kind + "-ubyte" + packing);
      if (std::filesystem::exists(path, ignored)) { return path; }
    }
  }
  fail<FileError>("idx", folder.string(), " has neither ", role, '-', kind, "-ubyte nor ", role, '-', kind, "-ubyte.gz");
}

/// Pictures of any rank: the file is called idx3 for grey, idx4 for colour.
[[nodiscard]] inline std::filesystem::path find_idx_pictures(std::filesystem::path const& folder, std::string const& role) {
  std::error_code ignored;
  bool const colour = std::filesystem::exists(folder / (role + "-idx4-ubyte"), ignored) || std::filesystem::exists(folder / (role + "-idx4-ubyte.gz"), ignored);
  return find_idx(folder, role, colour ? "idx4" : "idx3");
}

}  // namespace detail

/// A data set in MNIST's layout: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, each plain or `.gz`.
/// @param class_names  one per label; when empty the classes are called "0" up to the largest label
/// @throws FileError   naming the file that is missing or wrong
[[nodiscard]] inline DataSet idx(std::filesystem::path const& folder, std::vector<std::string> class_names = {}, std::string name = "idx") {
  auto const train_path = detail::find_idx_pictures(folder, "train-images");
  auto const test_path = detail::find_idx_pictures(folder, "t10k-images");
  IdxArray const train_labels = read_idx(detail::find_idx(folder, "train-labels", "idx1"));
  IdxArray const test_labels = read_idx(detail::find_idx(folder, "t10k-labels", "idx1"));
  if (class_names.empty()) {
    auto const largest = [](IdxArray const& labels) { return Index{*std::max_element(labels.values.begin(), labels.values.end())}; };
    class_names = detail::numbered_names(std::max(largest(train_labels), largest(test_labels)) + 1);
  }
  return {idx_examples(read_idx(train_path), train_labels, train_path.filename().string(), class_names), idx_examples(read_idx(test_path), test_labels, test_path.filename().string(), class_names),
          std::move(name), ""};
}

/// Fashion-MNIST: 60,000 + 10,000 grey pictures of 28 x 28 in ten classes.
/// @param folder  by default where Debian's package dataset-fashion-mnist puts it
/// @throws FileError  naming the file that is missing or wrong
/// @source Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv:1708.07747v2, Table 2
[[nodiscard]] inline DataSet fashion_mnist(std::filesystem::path const& folder = "/usr/share/datasets/fashion-mnist") {
  return idx(folder, {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}, "fashion-mnist");
}

}  // namespace accrete
