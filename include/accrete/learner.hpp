#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/core/task.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/fwd.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/merge/none.hpp>
#include <accrete/metric/accuracy.hpp>
#include <accrete/prediction.hpp>
#include <accrete/prompt/none.hpp>
#include <accrete/train/feature_pass.hpp>
#include <accrete/train/protocol.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// What observing one task did.
struct Observation {
  TaskInfo task;
  Index samples = 0;
  std::vector<std::string> notes;    ///< what the head wants said, such as a sub-sampled selection
  std::vector<std::string> skipped;  ///< pictures that were left out, and why
};

/// Writes into a model file how it was opened, so that `read` opens it again.
template <class B>
concept DescribesItself = requires(B const& backbone, ModelWriter const& writer) {
  backbone.write(writer);
};

/// Opens what `write` described.
template <class B>
concept ReopensItself = requires(ModelReader const& reader) {
  { B::read(reader) } -> std::same_as<B>;
};

/// Tells in words what its last `fit` chose.
template <class H>
concept ReportsItsFit = requires(H const& head, typename H::State const& state) {
  { head.notes(state) } -> std::same_as<std::vector<std::string>>;
};

/// A backbone that keeps learning classes: the one template that hosts the policies.
///
///   HostExecutor<> const exec{.threads = 8};
///   Learner<Vit<>, NoPrompt, PrototypeHead> learner{Vit<>::load("vit_b16.safetensors")};
///   learner.observe(exec, parts);                 // Examples: any number of classes, known or new
///   auto const answer = learner.predict(exec, pictures);
///
/// @tparam Backbone  `BackboneAdapter`: what turns pictures into features
/// @tparam Prompt    `PromptStrategy`: what is injected into a frozen backbone
/// @tparam Head      `ClassifierHead`: features to scores, and the statistics they rest on
/// @tparam Merge     `MergeRule`: what becomes of parameters after a task
/// @tparam Protocol  `LearningProtocol`: which tasks learn by gradient
///
/// Classes are named by text; the columns of the scores stand in the order in which the classes first came. Arguments are checked before
/// anything is changed. Copies are independent; the backbone's weights are shared by them.
template <class Backbone, class Prompt, class Head, class Merge, class Protocol>
class Learner {
  static_assert(BackboneAdapter<Backbone>, "the first argument of Learner must be a BackboneAdapter");
  static_assert(PromptStrategy<Prompt>, "the second argument of Learner must be a PromptStrategy");
  static_assert(ClassifierHead<Head>, "the third argument of Learner must be a ClassifierHead");
  static_assert(MergeRule<Merge>, "the fourth argument of Learner must be a MergeRule");
  static_assert(LearningProtocol<Protocol>, "the fifth argument of Learner must be a LearningProtocol");
  static_assert(std::is_same_v<Prompt, NoPrompt> && Protocol::trains == Trains::none, "Learner learns from statistics of a plain backbone; learning by gradient is not built");

 public:
  explicit Learner(Backbone backbone, Prompt prompt = {}, Head head = {}, Merge merge = {}, Protocol protocol = {})
      : backbone_(std::move(backbone)), prompt_(std::move(prompt)), head_(std::move(head)), merge_(std::move(merge)), protocol_(std::move(protocol)) {}

  /// Learns a task: any examples, of new or known classes.
  /// @throws ValueError for an empty task or a feature that is not finite;  FileError for a picture that cannot be read
  template <class Exec>
  Observation observe(Exec const& exec, Examples const& examples, Reading const& reading = {}) {
    FeatureSet set = extract_features(exec, backbone_, examples, reading);
    std::vector<std::string> labels;
    labels.reserve(set.positions.size());
    for (Index const position : set.positions) { labels.push_back(examples.class_names()[static_cast<std::size_t>(examples.label(position))]); }
    Observation seen = observe(exec, set.features.view(), labels);
    seen.skipped = std::move(set.skipped);
    return seen;
  }

  /// Learns a task whose features are at hand.
  /// @param[in] features [N, D] as `backbone().features` gives them, host memory;  @param[in] labels [N] class names
  /// @throws ShapeError, ValueError  before anything is changed
  template <class Exec>
  Observation observe(Exec const& exec, NonDeduced<MatrixView<float const>> features, std::span<std::string const> labels) {
    check_features("Learner::observe", features);
    expects(features.extent(0) == static_cast<Index>(labels.size()), "Learner::observe", "there must be one label per feature", features.extent(0), labels.size());
    if (labels.empty()) { fail<ValueError>("Learner::observe", "a task must have at least one sample"); }

    ClassMap classes = classes_;
    std::vector<Index> columns;
    columns.reserve(labels.size());
    for (std::string const& label : labels) { columns.push_back(classes.add(label, tasks_seen_)); }
    TaskInfo const task{.index = tasks_seen_, .first_class = classes_.size(), .classes = classes.size() - classes_.size()};

    prompt_.begin_task(prompt_state_, task);
    head_.admit(head_state_, classes.size());
    classes_ = std::move(classes);
    tasks_seen_ += 1;
    head_.observe(exec, head_state_, features, columns);
    head_.fit(exec, head_state_);
    prompt_.end_task(prompt_state_, task);

    Observation seen{.task = task, .samples = features.extent(0), .notes = {}, .skipped = {}};
    if constexpr (ReportsItsFit<Head>) { seen.notes = head_.notes(head_state_); }
    return seen;
  }

  /// Scores of pictures against every class seen. A picture's scores do not depend on the others, bit for bit.
  /// @throws ValueError  when no class was seen;  FileError for a picture that cannot be read
  template <class Exec>
  [[nodiscard]] Predictions predict(Exec const& exec, Examples const& examples, Reading const& reading = {}) const {
    check_learned();
    FeatureSet set = extract_features(exec, backbone_, examples, reading);
    return {.scores = predict_features(exec, set.features.view()), .positions = std::move(set.positions), .skipped = std::move(set.skipped)};
  }

  /// The same for preprocessed pictures [B, 3, H, W] in host memory.
  template <class Exec>
  [[nodiscard]] Predictions predict(Exec const& exec, NonDeduced<TensorView<float const, 4>> images) const {
    check_learned();
    auto const features = backbone_.features(exec, images);
    Matrix<float> host(features.shape());
    kernels::download(exec, features.cview(), host.view());
    std::vector<Index> positions(static_cast<std::size_t>(host.extent(0)));
    std::iota(positions.begin(), positions.end(), Index{0});
    return {.scores = predict_features(exec, host.view()), .positions = std::move(positions), .skipped = {}};
  }

  /// Scores [N, C] of features [N, D] in host memory.
  /// @throws ValueError  when no class was seen or a feature is not finite
  template <class Exec>
  [[nodiscard]] Matrix<float> predict_features(Exec const& exec, NonDeduced<MatrixView<float const>> features) const {
    check_learned();
    check_features("Learner::predict", features);
    Matrix<float> scores({features.extent(0), classes_.size()});
    head_.scores(exec, head_state_, features, scores.view());
    return scores;
  }

  /// Top-1 accuracy in percent.
  /// @throws ValueError  for no examples, or one of a class that was never learned
  template <class Exec>
  [[nodiscard]] double evaluate(Exec const& exec, Examples const& examples, Reading const& reading = {}) const {
    Predictions const predictions = predict(exec, examples, reading);
    if (predictions.positions.empty()) { fail<ValueError>("Learner::evaluate", "there are no examples"); }
    std::vector<Index> truth;
    for (Index const position : predictions.positions) { truth.push_back(classes_.at(examples.class_names()[static_cast<std::size_t>(examples.label(position))])); }
    return Tally{hits_among_best(predictions.scores.view(), truth, 1), static_cast<Index>(truth.size())}.percent();
  }

  /// Writes everything learned into one file, all or nothing: the old file stays until the new one is complete.
  /// The backbone is named by its hash and the file it came from, not stored.
  /// @throws FileError  when the disk refuses; the old file is then what it was
  void save(std::filesystem::path const& path) const {
    ModelWriter const writer(composition());
    ModelWriter const trunk = writer.scope("backbone");
    trunk.setting("hash", backbone_.hash());
    if constexpr (DescribesItself<Backbone>) { backbone_.write(trunk); }
    writer.setting("classes", classes_.names());
    writer.setting("class_tasks", classes_.tasks());
    writer.setting("tasks_seen", tasks_seen_);
    ModelWriter const settings = writer.scope("settings");
    for (auto const& setting : Head::settings()) { settings.setting(setting.name, setting.text(head_)); }
    ModelWriter head_writer = writer.scope("head");
    head_.write(head_state_, head_writer);
    writer.write(path);
  }

  /// Reads what `save` wrote.
  /// @throws FileError  for a truncated or foreign file, another composition (both are named), or another backbone
  [[nodiscard]] static Learner load(std::filesystem::path const& path, Backbone backbone) {
    ModelReader const reader = ModelReader::open(path, composition());
    ModelReader const trunk = reader.scope("backbone");
    auto const wanted = trunk.setting<std::string>("hash");
    if (wanted != backbone.hash()) { fail<FileError>(path.string(), "was learned with another backbone: the hash of its weights and options is ", wanted, ", the given one has ", backbone.hash()); }

    Head head{};
    ModelReader const settings = reader.scope("settings");
    for (auto const& setting : Head::settings()) { setting.assign(head, settings.setting<std::string>(setting.name)); }
    Learner learner(std::move(backbone), Prompt{}, std::move(head));
    auto const names = reader.setting<std::vector<std::string>>("classes");
    auto const tasks = reader.setting<std::vector<Index>>("class_tasks");
    if (names.size() != tasks.size()) { fail<FileError>(path.string(), "names ", names.size(), " classes but the tasks of ", tasks.size()); }
    for (std::size_t i = 0; i < names.size(); ++i) { learner.classes_.add(names[i], tasks[i]); }
    learner.tasks_seen_ = reader.setting<Index>("tasks_seen");
    learner.head_.read(learner.head_state_, reader.scope("head"));
    if (learner.classes_.size() != static_cast<Index>(names.size()) || learner.head_.classes(learner.head_state_) != learner.classes_.size()) {
      fail<FileError>(path.string(), "names ", names.size(), " classes, ", learner.classes_.size(), " of them different, and holds the statistics of ", learner.head_.classes(learner.head_state_));
    }
    return learner;
  }

  /// The same with the backbone the file records.
  /// @throws FileError  also when that backbone is no longer there
  [[nodiscard]] static Learner load(std::filesystem::path const& path) requires ReopensItself<Backbone> { return load(path, Backbone::read(ModelReader::open(path, composition()).scope("backbone"))); }

  /// Adds what another learner of the same kind and backbone has seen. Classes unite by name; shards of one task give what one run gives.
  /// @throws ValueError  when backbone or settings differ; nothing is changed then
  template <class Exec>
  void merge(Exec const& exec, Learner const& other) requires MergesStatistics<Head> {
    if (backbone_.hash() != other.backbone_.hash() || !(backbone_.preprocessing() == other.backbone_.preprocessing())) {
      fail<ValueError>("Learner::merge", "the backbones differ: ", backbone_.hash(), " and ", other.backbone_.hash());
    }
    for (auto const& setting : Head::settings()) {
      if (setting.text(head_) != setting.text(other.head_)) { fail<ValueError>("Learner::merge", "the setting ", setting.name, " differs: ", setting.text(head_), " and ", setting.text(other.head_)); }
    }
    ClassMap classes = classes_;
    std::vector<Index> columns;
    for (Index column = 0; column < other.classes_.size(); ++column) { columns.push_back(classes.add(other.classes_.name(column), other.classes_.task(column))); }
    typename Head::State state = head_state_;
    head_.admit(state, classes.size());
    head_.merge(state, other.head_state_, columns);
    head_.fit(exec, state);
    head_state_ = std::move(state);
    classes_ = std::move(classes);
    tasks_seen_ = std::max(tasks_seen_, other.tasks_seen_);
  }

  /// Removes a class as if it had never been learned.
  /// @param[in] features [n, D] of the pictures the class was learned from, for heads whose statistics mix the classes; may be empty otherwise
  /// @throws ValueError  for an unknown class, or when the head needs the features and they are not given; nothing is changed then
  template <class Exec>
  void forget(Exec const& exec, std::string const& name, NonDeduced<MatrixView<float const>> features = {}) requires ForgetsClasses<Head> {
    Index const column = classes_.at(name);
    if (features.extent(0) > 0) { check_features("Learner::forget", features); }
    typename Head::State state = head_state_;
    head_.forget(exec, state, column, features);
    head_.fit(exec, state);
    head_state_ = std::move(state);
    classes_.remove(column);
  }

  [[nodiscard]] ClassMap const& classes() const { return classes_; }
  [[nodiscard]] Index tasks_seen() const { return tasks_seen_; }
  [[nodiscard]] Backbone const& backbone() const { return backbone_; }
  [[nodiscard]] Head const& head() const { return head_; }
  [[nodiscard]] typename Head::State const& head_state() const { return head_state_; }

  /// Role and name of every policy.
  [[nodiscard]] static std::vector<std::pair<std::string, std::string>> policies() {
    return {{"backbone", std::string(Backbone::name)},
            {"prompt", std::string(Prompt::name)},
            {"head", std::string(Head::name)},
            {"merge", std::string(Merge::name)},
            {"protocol", std::string(Protocol::name)}};
  }

  /// The composition as a model file names it: `Learner<vit, none, prototype, none, statistics-only>`.
  [[nodiscard]] static std::string composition() {
    std::string text = "Learner<";
    for (auto const& [role, policy] : policies()) { text += (text.back() == '<' ? "" : ", ") + policy; }
    return text + ">";
  }

 private:
  void check_learned() const {
    if (classes_.size() == 0) { fail<ValueError>("Learner::predict", "there is no class to choose from; observe a task first"); }
  }

  void check_features(std::string_view function, MatrixView<float const> features) const {
    expects(features.extent(1) == backbone_.width(), function, "features must have the width of the backbone", features.extent(1), backbone_.width());
    for (Index row = 0; row < features.extent(0); ++row) {
      if (!std::all_of(features[row].begin(), features[row].end(), [](float value) { return std::isfinite(value); })) {
        fail<ValueError>(function, "feature ", row, " of ", features.extent(0), " is not finite");
      }
    }
  }

  Backbone backbone_;
  Prompt prompt_;
  Head head_;
  Merge merge_;
  Protocol protocol_;
  typename Prompt::State prompt_state_;
  typename Head::State head_state_;
  ClassMap classes_;
  Index tasks_seen_ = 0;
};

}  // namespace accrete
