#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/hash.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/data_set.hpp>
#include <accrete/data/detail/names.hpp>
#include <accrete/data/detail/read_file.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/data/image.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// How a record of a CIFAR binary file begins; 3072 bytes of pixels follow (1024 red, 1024 green, 1024 blue, rows of 32).
struct CifarFormat {
  Index label_bytes;  ///< before the pixels
  Index label_at;     ///< the one of them that is the class
  Index classes;

  static constexpr Index side = 32;
  static constexpr Index pixel_bytes = side * side * 3;
  [[nodiscard]] constexpr Index record_bytes() const { return label_bytes + pixel_bytes; }
};

inline constexpr CifarFormat cifar10_format{1, 0, 10};
inline constexpr CifarFormat cifar100_format{2, 1, 100};  ///< the first byte is the coarse class

/// The contents of one CIFAR binary file.
struct CifarFile {
  std::string name;               ///< such as "train.bin"
  Tensor<std::uint8_t, 1> bytes;  ///< whole records
};

/// The pictures of CIFAR binary files, one file after the other.
/// @throws FileError  naming the file when it is empty, not a whole number of records, or has a label beyond the classes;  ValueError  for a wrong number of names
/// @source specification: backbone.md §7.4
[[nodiscard]] inline Examples cifar_examples(std::vector<CifarFile> files, CifarFormat format, std::vector<std::string> class_names) {
  struct Place {
    Index file;
    Index record;
  };
  struct Records {
    std::vector<CifarFile> files;
    std::vector<Place> places;
    CifarFormat format;

    [[nodiscard]] std::uint8_t const* pixels(Index i) const {
      Place const& place = places[static_cast<std::size_t>(i)];
      return files[static_cast<std::size_t>(place.file)].bytes.data() + place.record * format.record_bytes() + format.label_bytes;
    }
  };
  if (static_cast<Index>(class_names.size()) != format.classes) { fail<ValueError>("cifar_examples", "needs ", format.classes, " class names, came ", class_names.size()); }
  auto records = std::make_shared<Records>(Records{std::move(files), {}, format});
  Source source;
  source.class_names = std::move(class_names);
  for (std::size_t f = 0; f < records->files.size(); ++f) {
    CifarFile const& file = records->files[f];
    if (file.bytes.empty()) { fail<FileError>("cifar_examples", file.name, " is empty"); }
    if (file.bytes.size() % format.record_bytes() != 0) {
      fail<FileError>("cifar_examples", file.name, " has ", file.bytes.size(), " bytes, which is not a multiple of the ", format.record_bytes(), " of a record");
    }
    for (Index record = 0; record < file.bytes.size() / format.record_bytes(); ++record) {
      Index const label = file.bytes[record * format.record_bytes() + format.label_at];
      if (label >= format.classes) { fail<FileError>("cifar_examples", file.name, '[', record, "] has the label ", label, "; there are ", format.classes, " classes"); }
      source.labels.push_back(label);
      records->places.push_back({static_cast<Index>(f), record});
    }
  }
  source.image = [records](Index i) {
    constexpr Index plane = CifarFormat::side * CifarFormat::side;
    Image image{Tensor<std::uint8_t, 3>({CifarFormat::side, CifarFormat::side, 3})};
    std::uint8_t const* const planes = records->pixels(i);
    std::uint8_t* const rgb = image.pixels.data();
    for (Index p = 0; p < plane; ++p) {
      for (Index c = 0; c < 3; ++c) { rgb[3 * p + c] = planes[c * plane + p]; }
    }
    return image;
  };
  source.id = [records](Index i) { return hash64(detail::as_bytes({records->pixels(i), {CifarFormat::pixel_bytes}})); };
  source.where = [records](Index i) {
    Place const& place = records->places[static_cast<std::size_t>(i)];
    return message(records->files[static_cast<std::size_t>(place.file)].name, '[', place.record, ']');
  };
  return Examples(std::move(source));
}

namespace detail {

/// The folder itself, or the one of this name that the archive unpacks into it.
[[nodiscard]] inline std::filesystem::path unpacked(std::filesystem::path const& folder, std::string_view archive, std::string_view wanted) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder / wanted, ignored) && std::filesystem::is_directory(folder / archive, ignored)) { return folder / archive; }
  return folder;
}

[[nodiscard]] inline Examples read_cifar(std::string_view function, std::filesystem::path const& folder, std::vector<std::string> const& names, CifarFormat format,
                                         std::vector<std::string> class_names) {
  constexpr std::uintmax_t largest_file = std::uintmax_t{1} << 34U;
  std::vector<CifarFile> files;
  files.reserve(names.size());
  for (std::string const& name : names) { files.push_back({name, read_file(function, folder / name, largest_file)}); }
  return cifar_examples(std::move(files), format, std::move(class_names));
}

[[nodiscard]] inline std::vector<std::string> cifar_names(std::string_view function, std::filesystem::path const& path, Index classes) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? read_names(function, path, classes) : numbered_names(classes);
}

}  // namespace detail

/// CIFAR-10 in its binary form: `data_batch_1.bin` ... `data_batch_5.bin`, `test_batch.bin`, and `batches.meta.txt` for the names (numbers without it).
/// @param folder  with these files, or with the folder `cifar-10-batches-bin`
/// @throws FileError  naming the file that is missing or wrong
/// @source Krizhevsky, "Learning multiple layers of features from tiny images", 2009; specification: backbone.md §7.4
[[nodiscard]] inline DataSet cifar10(std::filesystem::path const& folder) {
  auto const files = detail::unpacked(folder, "cifar-10-batches-bin", "test_batch.bin");
  auto const names = detail::cifar_names("cifar10", files / "batches.meta.txt", cifar10_format.classes);
  std::vector<std::string> const batches{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  return {detail::read_cifar("cifar10", files, batches, cifar10_format, names), detail::read_cifar("cifar10", files, {"test_batch.bin"}, cifar10_format, names), "cifar10", ""};
}

/// CIFAR-100 in its binary form, fine labels: `train.bin`, `test.bin`, and `fine_label_names.txt` for the names (numbers without it).
/// Classes without any picture are allowed.
/// @param folder  with these files, or with the folder `cifar-100-binary`
/// @throws FileError  naming the file that is missing or wrong
/// @source Krizhevsky, "Learning multiple layers of features from tiny images", 2009; specification: backbone.md §7.4
[[nodiscard]] inline DataSet cifar100(std::filesystem::path const& folder) {
  auto const files = detail::unpacked(folder, "cifar-100-binary", "test.bin");
  auto const names = detail::cifar_names("cifar100", files / "fine_label_names.txt", cifar100_format.classes);
  return {detail::read_cifar("cifar100", files, {"train.bin"}, cifar100_format, names), detail::read_cifar("cifar100", files, {"test.bin"}, cifar100_format, names), "cifar100", ""};
}

}  // namespace accrete
