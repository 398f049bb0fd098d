#include "support/files.hpp"

#include <accrete/io/result.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace accrete {
namespace {

ResultRecord example() {
  ResultRecord record;
  record.method = "ranpac";
  record.settings = {{"projection", "2000"}, {"ridge", "auto"}, {"scale", "0.1"}};
  record.backbone_file = "vit.safetensors";
  record.backbone_sha256 = "85bf";
  record.data = "fashion-mnist";
  record.class_order = {4, 2};
  record.seed = std::numeric_limits<std::uint64_t>::max();
  record.precision = "float32";
  record.threads = 2;
  record.tasks.push_back({.classes = {4, 2},
                          .top1 = 100.0 / 3.0,
                          .top5 = 100.0,
                          .per_task_top1 = {100.0 / 3.0},
                          .train_seconds = 0.0,
                          .statistics_seconds = 1.5,
                          .evaluate_seconds = 0.25,
                          .peak_rss_bytes = 123,
                          .skipped = 1});
  record.average_accuracy = 100.0 / 3.0;
  record.forgetting = -0.1;
  record.peak_rss_bytes = 456;
  return record;
}

TEST_CASE("the file holds the fields of the record, and doubles read back to the same bits") {
  test::TemporaryFolder const folder;
  write_result(example(), folder / "result.json");
  auto const json = nlohmann::json::parse(test::read_file(folder / "result.json"));
  CHECK(json["schema"] == 1);
  CHECK(json["accrete_version"] == ACCRETE_VERSION);
  CHECK(json["method"] == "ranpac");
  CHECK(json["settings"]["projection"] == 2000);
  CHECK(json["settings"]["ridge"] == "auto");
  CHECK(json["settings"]["scale"] == 0.1);
  CHECK(json["backbone"]["file"] == "vit.safetensors");
  CHECK(json["backbone"]["sha256"] == "85bf");
  CHECK(json["data"] == "fashion-mnist");
  CHECK(json["class_order"] == std::vector<int>{4, 2});
  CHECK(json["seed"] == std::numeric_limits<std::uint64_t>::max());
  CHECK(json["precision"] == "float32");
  CHECK(json["threads"] == 2);
  CHECK(json["tasks"][0]["classes"] == std::vector<int>{4, 2});
  CHECK(json["tasks"][0]["top1"].get<double>() == 100.0 / 3.0);
  CHECK(json["tasks"][0]["per_task_top1"][0].get<double>() == 100.0 / 3.0);
  CHECK(json["tasks"][0]["seconds"]["train"] == 0.0);
  CHECK(json["tasks"][0]["seconds"]["statistics"] == 1.5);
  CHECK(json["tasks"][0]["seconds"]["evaluate"] == 0.25);
  CHECK(json["tasks"][0]["peak_rss_bytes"] == 123);
  CHECK(json["tasks"][0]["skipped"] == 1);
  CHECK(json["average_accuracy"].get<double>() == 100.0 / 3.0);
  CHECK(json["last_accuracy"] == 0.0);
  CHECK(json["forgetting"].get<double>() == -0.1);
  CHECK(json["backward_transfer"] == 0.0);
  CHECK(json["peak_rss_bytes"] == 456);
}

TEST_CASE("no tasks, no settings, no number and broken text still make valid JSON") {
  test::TemporaryFolder const folder;
  ResultRecord record;
  record.backbone_file = "broken \xFF name";
  record.forgetting = std::numeric_limits<double>::quiet_NaN();
  write_result(record, folder / "result.json");
  auto const json = nlohmann::json::parse(test::read_file(folder / "result.json"));
  CHECK(json["tasks"].empty());
  CHECK(json["tasks"].is_array());
  CHECK(json["settings"].is_object());
  CHECK(json["class_order"].is_array());
  CHECK(json["forgetting"].is_null());
}

TEST_CASE("settings whose text only begins like a number stay text") {
  ResultRecord record;
  record.settings = {{"a", "1e"}, {"b", "true"}, {"c", ""}, {"d", "007"}, {"e", "-3"}, {"f", "[1]"}};
  auto const json = nlohmann::json::parse(to_json(record).dump())["settings"];
  for (char const* const name : {"a", "b", "c", "d", "f"}) { CHECK(json[name].is_string()); }
  CHECK(json["e"] == -3);
}

}  // namespace
}  // namespace accrete
