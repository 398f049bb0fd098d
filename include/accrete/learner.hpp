#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/backbone/reopen.hpp>
#include <accrete/core/policy_name.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/task.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/fwd.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/united_classes.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/merge/none.hpp>
#include <accrete/merge/parameter_merge.hpp>
#include <accrete/metric/accuracy.hpp>
#include <accrete/metric/resources.hpp>
#include <accrete/prediction.hpp>
#include <accrete/prompt/diagnose.hpp>
#include <accrete/prompt/none.hpp>
#include <accrete/prompt/restrict.hpp>
#include <accrete/train/checkpoint.hpp>
#include <accrete/train/feature_change.hpp>
#include <accrete/train/feature_pass.hpp>
#include <accrete/train/gradient_task.hpp>
#include <accrete/train/kept_moments.hpp>
#include <accrete/train/prompted.hpp>
#include <accrete/train/protocol.hpp>
#include <accrete/train/side_by_side.hpp>
#include <accrete/train/task_plan.hpp>
#include <accrete/train/tuned_part.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// What observing one task did.
struct Observation {
  TaskInfo task;
  Index samples = 0;
  std::vector<std::string> notes;    ///< what the head wants said, such as a sub-sampled selection
  std::vector<std::string> skipped;  ///< pictures that were left out, and why
  double train_seconds = 0.0;        ///< learning by gradient
  double statistics_seconds = 0.0;   ///< features, statistics and the head's closed form
  /// |tuned - published| / |published| of features of the task's pictures, where something below the head learns: of all that the head reads, else of 256.
  std::optional<double> feature_change;
};

/// Writes into a model file how it was opened, so that `read` opens it again.
template <class B>
concept DescribesItself = requires(B const& backbone, ModelWriter const& writer) {
  backbone.write(writer);
};

/// The slots of a prompt that pictures get.
struct ChosenSlots {
  Matrix<Index> slots;       ///< [N, k] by rank
  std::vector<Index> tasks;  ///< [N] the task of each picture's class
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
/// @tparam Merge     `MergeRule`: what becomes of parameters after a task. One that averages beside what learns gives the learner a second network; the features of
///                   both then stand side by side, those of what learned first, and a head such as `VotingHead` hears them all
/// @tparam Protocol  `LearningProtocol`: which tasks learn by gradient
///
/// Classes are named by text; the columns of the scores stand in the order in which the classes first came. Arguments are checked before
/// anything is changed. Copies are independent; the backbone's weights are shared by them.
template <class Backbone, class Prompt, class Head, class Merge, class Protocol>
class Learner {
  static_assert(FeatureExtractor<Backbone>, "the first argument of Learner must be a FeatureExtractor");
  static_assert(PromptStrategy<Prompt>, "the second argument of Learner must be a PromptStrategy");
  static_assert(ClassifierHead<Head> || TaskwiseHead<Head> || LearnsByGradient<Head>, "the third argument of Learner must be a ClassifierHead, a TaskwiseHead or a head that LearnsByGradient");
  static_assert(MergeRule<Merge>, "the fourth argument of Learner must be a MergeRule");
  static_assert(LearningProtocol<Protocol>, "the fifth argument of Learner must be a LearningProtocol");
  static_assert(Protocol::trains != Trains::none || std::is_same_v<Prompt, NoPrompt>, "a prompt learns by gradient; give the Learner a protocol whose tasks do");
  static_assert(Protocol::trains != Trains::none || !LearnsByGradient<Head>, "this head learns by gradient; give the Learner a protocol whose tasks do");
  static_assert(!BanksTunings<Backbone> || !LearnedPrompt<Prompt> || (SharesTrunk<Backbone> && !AsksForQueries<Prompt>),
                "a backbone that keeps a network for every task asks no prompt, but for one without queries where all share a trunk; give the Learner one network");
  static_assert(!BanksTunings<Backbone> || !AveragesBeside<Merge>, "a backbone that keeps a network for every task has no average beside it; give the Learner one network");
  static_assert(!NeedsFisher<Merge> || Protocol::trains != Trains::none, "Fisher information comes from gradients; give the Learner a protocol whose tasks learn by gradient");
  static_assert(!AveragesBeside<Merge> || Protocol::trains == Trains::every_task, "an average beside what learns needs a protocol whose every task learns by gradient");

  static constexpr bool by_gradient = Protocol::trains != Trains::none;
  /// Whether something below the head learns.
  static constexpr bool features_move = by_gradient && features_learn<Backbone, Prompt>;
  /// Whether features of one image differ from task to task, so that a cache of them is of no use.
  static constexpr bool features_keep_moving = features_move && Protocol::trains == Trains::every_task && (!BanksTunings<Backbone> || SharesTrunk<Backbone>);
  /// Whether a picture needs few of the backbone's networks, which the head names one by one.
  static constexpr bool asks_for_features = BanksTunings<Backbone> && AsksForFeatures<Head>;

 public:
  explicit Learner(Backbone backbone, Prompt prompt = {}, Head head = {}, Merge merge = {}, Protocol protocol = {})
      : backbone_(std::move(backbone)), prompt_(std::move(prompt)), head_(std::move(head)), merge_(std::move(merge)), protocol_(std::move(protocol)) {
    if constexpr (LearnedPrompt<Prompt>) { prompt_.fit_place(prompt_state_, place_in(backbone_)); }
  }

  /// Learns a task: any examples, of new or known classes.
  /// Where the protocol says so, by gradient first; then by one pass in which the head adds its statistics.
  /// @param[in] run  who is told of the progress, and where the learning is kept against interruptions
  /// @throws ValueError for an empty task or a feature that is not finite;  FileError for a picture that cannot be read;  Interrupted as the checkpoint says.
  ///         The learner is then what it was
  template <class Exec>
  Observation observe(Exec const& exec, Examples const& examples, Reading const& reading = {}, TrainingRun const& run = {}) {
    if constexpr (by_gradient) {
      return observe_by_gradient(exec, examples, reading, run);
    } else {
      Stopwatch const watch;
      FeatureSet set = features(exec, examples, reading);
      Observation seen = observe(exec, set.features.view(), detail::labels_of(examples, set.positions));
      seen.skipped = std::move(set.skipped);
      seen.statistics_seconds = watch.seconds();
      return seen;
    }
  }

  /// Learns a task whose features are at hand; only for tasks that do not learn by gradient.
  /// @param[in] features [N, D] as `features` gives them, host memory;  @param[in] labels [N] class names
  /// @throws ShapeError, ValueError  before anything is changed
  template <class Exec>
  Observation observe(Exec const& exec, NonDeduced<MatrixView<float const>> features, std::span<std::string const> labels) {
    static_assert(ClassifierHead<Head>, "this head learns from examples, task by task");
    check_features("Learner::observe", features, backbone_.width());
    expects(features.extent(0) == static_cast<Index>(labels.size()), "Learner::observe", "there must be one label per feature", features.extent(0), labels.size());
    TaskPlan plan = plan_task(classes_, tasks_seen_, labels);
    if (learns_now()) { fail<ValueError>("Learner::observe", "task ", tasks_seen_, " learns by gradient and needs examples, not features"); }
    return finish_task(exec, std::move(plan), features.extent(0), features);
  }

  /// Gives a learner that was loaded the pictures of a task it learned before, in the order of the tasks. Pictures are not part of a model file,
  /// and a protocol that looks back goes on only when all of them are there.
  /// @throws ValueError  when there are as many as tasks were learned already
  void recall(Examples const& examples) requires LooksBack<Protocol> {
    auto const task = static_cast<Index>(history_.size());
    if (task >= tasks_seen_) { fail<ValueError>("Learner::recall", "the pictures of all ", tasks_seen_, " tasks are here already"); }
    history_.push_back(gradient_task().kept_of(examples, task));
  }

  /// The features of examples under everything learned so far.
  /// @throws FileError for a picture that cannot be read, unless it may be skipped
  template <class Exec>
  [[nodiscard]] FeatureSet features(Exec const& exec, Examples const& examples, Reading const& reading = {}) const {
    return features_of(exec, backbone_, prompt_state_, beside_, examples, reading);
  }

  /// Scores of pictures against every class seen. A picture's scores do not depend on the others, bit for bit.
  /// @throws ValueError  when no class was seen;  FileError for a picture that cannot be read
  template <class Exec>
  [[nodiscard]] Predictions predict(Exec const& exec, Examples const& examples, Reading const& reading = {}) const {
    static_assert(!DependsOnBatch<Prompt>, "answers under this prompt depend on the other pictures of a batch; where that is wanted, say predict_batchwise");
    return predict_batchwise(exec, examples, reading);
  }

  /// The same where pictures of a batch may help each other: with a prompt that votes over the batch the order of the examples and `reading.batch` change the answers.
  template <class Exec>
  [[nodiscard]] Predictions predict_batchwise(Exec const& exec, Examples const& examples, Reading const& reading = {}) const {
    check_learned();
    if constexpr (asks_for_features) { return predict_by_asking(exec, examples, reading); }
    FeatureSet set = features(exec, examples, reading);
    Matrix<float> scores = predict_features(exec, set.features.view());
    if constexpr (RestrictsClasses<Prompt>) {
      if (prompt_.restricts_classes()) {
        Reading again = reading;
        again.progress = {};
        restrict_scores(exec, extract_features(exec, plain(), examples.subset(set.positions), again).features.view(), reading.batch, scores.view());
      }
    }
    return {.scores = std::move(scores), .positions = std::move(set.positions), .skipped = std::move(set.skipped)};
  }

  /// The same for preprocessed pictures [B, 3, H, W] in host memory.
  template <class Exec>
  [[nodiscard]] Predictions predict(Exec const& exec, NonDeduced<TensorView<float const, 4>> images) const {
    static_assert(!DependsOnBatch<Prompt>, "answers under this prompt depend on the other pictures of a batch; where that is wanted, say predict_batchwise");
    check_learned();
    auto const there = on_networks(backbone_, prompt_state_, beside_, [&](auto const& network) { return network.features(exec, images); });
    Matrix<float> features(there.shape());
    kernels::download(exec, there.cview(), features.view());
    Matrix<float> scores = predict_features(exec, features.view());
    if constexpr (RestrictsClasses<Prompt>) {
      if (prompt_.restricts_classes()) {
        auto const asked = plain().features(exec, images);
        Matrix<float> queries(asked.shape());
        kernels::download(exec, asked.cview(), queries.view());
        restrict_scores(exec, queries.view(), images.extent(0), scores.view());
      }
    }
    std::vector<Index> positions(static_cast<std::size_t>(images.extent(0)));
    std::iota(positions.begin(), positions.end(), Index{0});
    return {.scores = std::move(scores), .positions = std::move(positions), .skipped = {}};
  }

  /// Scores [N, C] of features [N, D] in host memory.
  /// @throws ValueError  when no class was seen or a feature is not finite
  template <class Exec>
  [[nodiscard]] Matrix<float> predict_features(Exec const& exec, NonDeduced<MatrixView<float const>> features) const {
    check_learned();
    check_features("Learner::predict", features, feature_width());
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
    for_each_policy(*this, [&](auto const& policy) {
      for (auto const& setting : settings_of(policy)) { settings.setting(setting.name, setting.text(policy)); }
    });
    if constexpr (LearnedPrompt<Prompt>) { prompt_.write(prompt_state_, writer.scope("prompt")); }
    if constexpr (KeepsMergeState<Merge>) { merge_state_.write(writer.scope("merge")); }
    if (!moments_.empty()) { moments_.write(writer.scope("optimizer")); }
    ModelWriter head_writer = writer.scope("head");
    head_.write(head_state_, head_writer);
    writer.write(path);
  }

  /// Reads what `save` wrote.
  /// @param[in] trunk  the published network that the backbone is, or rests on
  /// @throws FileError  for a truncated or foreign file, another composition (both are named), or another backbone
  template <class Trunk>
  [[nodiscard]] static Learner load(std::filesystem::path const& path, Trunk trunk) {
    ModelReader const reader = ModelReader::open(path, composition());
    ModelReader const recorded = reader.scope("backbone");
    Backbone backbone = reopened<Backbone>(recorded, std::move(trunk));
    auto const wanted = recorded.setting<std::string>("hash");
    if (wanted != backbone.hash()) { fail<FileError>(path.string(), "was learned with another backbone: the hash of its weights and options is ", wanted, ", the given one has ", backbone.hash()); }

    Learner learner(std::move(backbone));
    ModelReader const settings = reader.scope("settings");
    for_each_policy(learner, [&](auto& policy) {
      for (auto const& setting : settings_of(policy)) { setting.assign(policy, settings.setting<std::string>(setting.name)); }
    });
    auto const names = reader.setting<std::vector<std::string>>("classes");
    auto const tasks = reader.setting<std::vector<Index>>("class_tasks");
    if (names.size() != tasks.size()) { fail<FileError>(path.string(), "names ", names.size(), " classes but the tasks of ", tasks.size()); }
    for (std::size_t i = 0; i < names.size(); ++i) { learner.classes_.add(names[i], tasks[i]); }
    learner.tasks_seen_ = reader.setting<Index>("tasks_seen");
    if constexpr (LearnedPrompt<Prompt>) { learner.prompt_.read(learner.prompt_state_, reader.scope("prompt")); }
    if constexpr (KeepsMergeState<Merge>) { learner.merge_state_ = Merge::State::read(reader.scope("merge")); }
    ModelReader const optimizer = reader.scope("optimizer");
    if (optimizer.has_setting("parts")) { learner.moments_ = KeptMoments::read(optimizer); }
    learner.beside_ = beside(learner.backbone_, learner.prompt_state_, learner.merge_state_);
    learner.head_.read(learner.head_state_, reader.scope("head"));
    if (learner.classes_.size() != static_cast<Index>(names.size()) || learner.head_.classes(learner.head_state_) != learner.classes_.size()) {
      fail<FileError>(path.string(), "names ", names.size(), " classes, ", learner.classes_.size(), " of them different, and holds the statistics of ", learner.head_.classes(learner.head_state_));
    }
    return learner;
  }

  /// The same with the backbone the file records.
  /// @throws FileError  also when that backbone is no longer there
  [[nodiscard]] static Learner load(std::filesystem::path const& path) { return load(path, TrunkOf<Backbone>::read(ModelReader::open(path, composition()).scope("backbone"))); }

  /// Adds what another learner of the same kind and backbone has seen. Classes unite by name; shards of one task give what one run gives.
  /// @throws ValueError  when backbone, prompt or settings differ; nothing is changed then
  template <class Exec>
  void merge(Exec const& exec, Learner const& other) requires MergesStatistics<Head> {
    if (backbone_.hash() != other.backbone_.hash() || !(backbone_.preprocessing() == other.backbone_.preprocessing())) {
      fail<ValueError>("Learner::merge", "the backbones differ", features_move ? ", and statistics are of the features of one network: " : ": ", backbone_.hash(), " and ", other.backbone_.hash());
    }
    auto const bent = Prompted(backbone_, prompt_, prompt_state_).hash();
    auto const others = Prompted(other.backbone_, other.prompt_, other.prompt_state_).hash();
    if (bent != others) { fail<ValueError>("Learner::merge", "the prompts differ: ", bent, " and ", others); }
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

  /// Whether models of this kind merge by what they learned by gradient.
  static constexpr bool merges_parameters = UnitesRows<Head> && !BanksTunings<Backbone>;

  /// Whether there is Fisher information of a task that was learned, for `ModelRule::fisher`.
  [[nodiscard]] bool holds_fisher() const { return parts().holds_fisher(); }

  /// Merges what another learner of the same kind learned by gradient: parameters of the backbone and of the prompt, and the rows of the head. Classes unite by name: rows that
  /// both know are merged, those of new classes are taken over behind the first's, with a new task for each of the second's tasks (`unite_classes`).
  /// Rows that only one prompt has are taken over, and with those of the second what its prompt counts beside them; where slots belong to tasks, one must have learned the other's tasks.
  /// An average beside what learns is merged by the same rule, with what learns in its place where only one has one. Of the merge rule's own state sums add up, Fisher
  /// information does under `ModelRule::fisher`; of the rest, settings included, the first's is kept.
  /// @throws ValueError  when trunk, tuning, settings of the prompt other than seeds, shapes or heads differ, both are named; for a learner without a class, a pattern that takes
  ///         nothing, or Fisher information that is asked for and not there. Nothing is changed then
  template <class Exec>
  ModelMergeReport merge(Exec const& /*exec*/, Learner const& other, ModelMerge const& how) requires merges_parameters {
    auto merged = ParameterMerge<Backbone, Prompt, Head, Merge>{parts(), other.parts(), how}();
    Beside averaged = beside(merged.backbone, merged.prompt, merged.merge);
    backbone_ = std::move(merged.backbone);
    prompt_state_ = std::move(merged.prompt);
    head_state_ = std::move(merged.head);
    merge_state_ = std::move(merged.merge);
    beside_ = std::move(averaged);
    classes_ = std::move(merged.classes);
    tasks_seen_ += merged.tasks;
    return merged.report;
  }

  /// Removes a class as if it had never been learned.
  /// @param[in] features [n, D] of the pictures the class was learned from, for heads whose statistics mix the classes; may be empty otherwise
  /// @throws ValueError  for an unknown class, or when the head needs the features and they are not given; nothing is changed then
  template <class Exec>
  void forget(Exec const& exec, std::string const& name, NonDeduced<MatrixView<float const>> features = {}) requires ForgetsClasses<Head> {
    Index const column = classes_.at(name);
    if (features.extent(0) > 0) { check_features("Learner::forget", features, backbone_.width()); }
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
  [[nodiscard]] Prompt const& prompt() const { return prompt_; }
  [[nodiscard]] typename Prompt::State const& prompt_state() const { return prompt_state_; }
  [[nodiscard]] Protocol const& protocol() const { return protocol_; }

  /// Every setting of every policy, by name and as text.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> settings() const {
    std::vector<std::pair<std::string, std::string>> texts;
    auto const add = [&](auto const& policy) {
      for (auto const& setting : settings_of(policy)) { texts.emplace_back(setting.name, setting.text(policy)); }
    };
    for_each_policy(*this, add);
    if constexpr (features_move) { add(tuning_settings(backbone_)); }
    return texts;
  }

  /// What the prompt tells of itself: how its slots were used while it learned, how far the last task moved it.
  [[nodiscard]] Measures prompt_measures() const requires MeasuresItself<Prompt> { return tasks_seen_ > 0 ? prompt_.measures(prompt_state_) : Measures{}; }

  /// The slots that pictures get when they are judged, and the task that each picture's class came with.
  /// @throws ValueError  for a class that was never learned;  FileError for a picture that cannot be read
  template <class Exec>
  [[nodiscard]] ChosenSlots chosen_slots(Exec const& exec, Examples const& examples, Reading const& reading = {}) const requires ChoosesSlots<Prompt> {
    auto const [queries, tasks] = queries_of(exec, examples, reading);
    return {chosen_in_batches(exec, prompt_, prompt_state_, queries.cview(), reading.batch), tasks};
  }

  /// What the prompt does with pictures that are judged (prompt/diagnose.hpp).
  /// @throws ValueError, FileError  as `chosen_slots`
  template <class Exec>
  [[nodiscard]] Measures prompt_measures(Exec const& exec, Examples const& examples, Reading const& reading = {}) const requires AsksForQueries<Prompt> {
    auto const [queries, tasks] = queries_of(exec, examples, reading);
    return diagnose(exec, prompt_, prompt_state_, queries.cview(), tasks, reading.batch);
  }

  /// The scores that pictures would get if the task of each were known to the prompt, though not to the head: what choosing the wrong slots costs.
  /// @throws ValueError, FileError  as `chosen_slots`
  template <class Exec>
  [[nodiscard]] Predictions predict_in_own_slots(Exec const& exec, Examples const& examples, Reading const& reading = {}) const requires HasSlotsOfTasks<Prompt> {
    check_learned();
    Prompted const prompted(backbone_, prompt_, prompt_state_);
    Loader loader(examples, backbone_.preprocessing(), {.batch = reading.batch, .threads = reading.loader_threads, .skip_bad = reading.skip_bad});
    Batch batch;
    Predictions all{.scores = Matrix<float>({examples.size(), classes_.size()}), .positions = {}, .skipped = {}};
    while (loader.next(batch)) {
      auto const there = prompted.features_in_slots(exec, batch.images.cview(), prompt_.slots_of(tasks_of(examples, batch.positions)).cview());
      Matrix<float> features(there.shape());
      kernels::download(exec, there.cview(), features.view());
      auto const first = static_cast<Index>(all.positions.size());
      head_.scores(exec, head_state_, features.view(), all.scores.view().slice(first, features.extent(0)));
      all.positions.insert(all.positions.end(), batch.positions.begin(), batch.positions.end());
    }
    std::vector<Index> read(all.positions.size());
    std::iota(read.begin(), read.end(), Index{0});
    all.scores = detail::kept_rows(std::move(all.scores), read);
    all.skipped = loader.skipped();
    return all;
  }

  /// Role and name of every policy.
  [[nodiscard]] static std::vector<std::pair<std::string, std::string>> policies() {
    return {{"backbone", policy_name<Backbone>()}, {"prompt", policy_name<Prompt>()}, {"head", policy_name<Head>()}, {"merge", policy_name<Merge>()}, {"protocol", policy_name<Protocol>()}};
  }

  /// The composition as a model file names it: `Learner<vit, none, prototype, none, statistics-only>`.
  [[nodiscard]] static std::string composition() {
    std::string text = "Learner<";
    for (auto const& [role, policy] : policies()) { text += (text.back() == '<' ? "" : ", ") + policy; }
    return text + ">";
  }

 private:
  template <class Self, class Use>
  static void for_each_policy(Self& self, Use const& use) {
    use(self.head_);
    use(self.prompt_);
    use(self.protocol_);
    use(self.merge_);
  }

  /// The tasks that the classes of some examples came with.
  [[nodiscard]] std::vector<Index> tasks_of(Examples const& examples, std::vector<Index> const& positions) const {
    std::vector<Index> tasks;  // NOLINTNEXTLINE(performance-inefficient-vector-operation): once a task
    for (Index const position : positions) { tasks.push_back(classes_.task(classes_.at(examples.class_names()[static_cast<std::size_t>(examples.label(position))]))); }
    return tasks;
  }

  /// What queries are features of.
  [[nodiscard]] auto plain() const requires AsksForQueries<Prompt> { return Prompted(backbone_, prompt_, prompt_state_).plain(); }

  /// Leaves those classes in the running that the prompt lets win.
  /// @param[in] queries [N, D];  @param[in,out] scores [N, C];  both in host memory
  template <class Exec>
  void restrict_scores(Exec const& exec, MatrixView<float const> queries, Index batch, MatrixView<float> scores) const requires RestrictsClasses<Prompt> {
    rule_out_other_tasks(chosen_in_batches(exec, prompt_, prompt_state_, queries, batch).cview(), classes_.tasks(), scores);
  }

  /// The features of examples in the plain network, and the tasks of their classes.
  template <class Exec>
  [[nodiscard]] std::pair<Matrix<float>, std::vector<Index>> queries_of(Exec const& exec, Examples const& examples, Reading const& reading) const {
    check_learned();
    FeatureSet queries = extract_features(exec, plain(), examples, reading);
    return {std::move(queries.features), tasks_of(examples, queries.positions)};
  }

  /// Whether the next task learns by gradient.
  [[nodiscard]] bool learns_now() const { return Protocol::trains == Trains::every_task || (Protocol::trains == Trains::first_task && tasks_seen_ == 0); }

  [[nodiscard]] GradientTask<Backbone, Prompt, Head, Merge, Protocol> gradient_task() const {
    std::string identity = composition();
    for (auto const& [name, text] : settings()) { identity += '\n' + name + '=' + text; }
    return {backbone_, prompt_, head_, merge_, protocol_, prompt_state_, head_state_, merge_state_, classes_, tasks_seen_, moments_, history_, std::move(identity)};
  }

  template <class Exec>
  Observation observe_by_gradient(Exec const& exec, Examples const& examples, Reading const& reading, TrainingRun const& run) {
    check_history();
    TaskPlan plan = plan_task(classes_, tasks_seen_, detail::labels_of(examples));
    auto const by_task = gradient_task();
    auto moved = by_task.begin(plan);
    Stopwatch const training;
    if (learns_now()) {
      by_task.train(exec, moved, plan, examples, reading, run);
      by_task.fold(moved);
    }
    double const train_seconds = training.seconds();

    Stopwatch const statistics;
    Beside averaged = beside(moved.backbone, moved.prompt, moved.merge);
    Beside const alone;
    Beside const& heard = LearnsFromFeatures<Head> ? averaged : alone;
    Examples const read = read_again(examples, reading);
    FeatureSet set;
    if (!read.empty()) {
      set = features_of(exec, moved.backbone, moved.prompt, heard, read, reading);
      check_features("Learner::observe", set.features.view(), moved.backbone.width() * (heard ? 2 : 1));
    }
    std::optional<double> const change = learns_now() ? feature_change(exec, moved.backbone, set, read, reading) : std::nullopt;
    Index samples = examples.size();
    if (reads_all(reading)) {
      plan.keep(set.positions);
      samples = set.features.extent(0);
    }
    backbone_ = std::move(moved.backbone);
    prompt_state_ = std::move(moved.prompt);
    if (moved.head) { head_state_ = std::move(*moved.head); }
    merge_state_ = std::move(moved.merge);
    moments_ = std::move(moved.moments);
    beside_ = std::move(averaged);
    Observation seen = finish_task(exec, std::move(plan), samples, set.features.view());
    seen.skipped = std::move(set.skipped);
    seen.train_seconds = train_seconds;
    seen.statistics_seconds = statistics.seconds();
    seen.feature_change = change;
    if constexpr (LooksBack<Protocol>) { history_.push_back(gradient_task().kept_of(examples, seen.task.index)); }
    return seen;
  }

  void check_history() const {
    if constexpr (LooksBack<Protocol>) {
      if (static_cast<Index>(history_.size()) != tasks_seen_) {
        fail<ValueError>("Learner::observe", "this method looks at pictures of earlier tasks again: those of ", tasks_seen_ - static_cast<Index>(history_.size()), " of ", tasks_seen_,
                         " tasks are missing; recall them first");
      }
    }
  }

  /// Scores of pictures of which the head asks for the features it needs, network by network.
  template <class Exec>
  [[nodiscard]] Predictions predict_by_asking(Exec const& exec, Examples const& examples, Reading const& reading) const {
    FeatureSet first = extract_features(exec, backbone_.networks().front(), examples, reading);
    Matrix<float> scores({static_cast<Index>(first.positions.size()), classes_.size()});
    auto const ask = [&](Index network, std::span<Index const> rows) {
      if (network == 0) { return std::move(first.features); }
      std::vector<Index> asked;
      for (Index const row : rows) { asked.push_back(first.positions[static_cast<std::size_t>(row)]); }
      FeatureSet set = extract_features(exec, backbone_.networks()[static_cast<std::size_t>(network)], examples.subset(std::move(asked)), reading);
      if (set.positions.size() != rows.size()) { fail<FileError>("Learner::predict", rows.size() - set.positions.size(), " of ", rows.size(), " pictures could no longer be read"); }
      return std::move(set.features);
    };
    head_.scores_of_asked(exec, head_state_, ask, scores.view());
    return {.scores = std::move(scores), .positions = std::move(first.positions), .skipped = std::move(first.skipped)};
  }

  /// Adds the statistics of a task and makes the plan true.
  template <class Exec>
  Observation finish_task(Exec const& exec, TaskPlan plan, Index samples, MatrixView<float const> features) {
    bool const learned = learns_now();
    if constexpr (ClassifierHead<Head>) {
      head_.admit(head_state_, plan.classes.size());
    } else if constexpr (!LearnsByGradient<Head>) {
      head_.admit(head_state_, plan.task, part_width(backbone_));
    }
    classes_ = std::move(plan.classes);
    tasks_seen_ += 1;
    if constexpr (LearnsFromFeatures<Head>) {
      head_.observe(exec, head_state_, features, plan.columns);
      head_.fit(exec, head_state_);
    }
    if (learned) { prompt_.end_task(prompt_state_, plan.task); }
    Observation seen;
    seen.task = plan.task;
    seen.samples = samples;
    if constexpr (ReportsItsFit<Head>) { seen.notes = head_.notes(head_state_); }
    return seen;
  }

  /// What averages beside what learns: a second backbone, or a second prompt on the same one.
  struct BesideNetwork {
    Backbone backbone;
    typename Prompt::State prompt;
  };
  using Beside = std::optional<BesideNetwork>;

  [[nodiscard]] static Beside beside(Backbone const& backbone, typename Prompt::State const& prompt, typename Merge::State const& merged) {
    if constexpr (AveragesBeside<Merge>) {
      if (merged.averaged().size() == 0) { return std::nullopt; }
      BesideNetwork second{backbone, prompt};
      if constexpr (MergedPart<Merge>::of_prompt) {
        second.prompt.parameters() = merged.averaged();
      } else {
        tuned_part(second.backbone).assign(merged.averaged());
      }
      return second;
    } else {
      return std::nullopt;
    }
  }

  /// Width of the features of all networks that answer.
  [[nodiscard]] Index feature_width() const { return backbone_.width() * (beside_ ? 2 : 1); }

  template <class Exec>
  [[nodiscard]] FeatureSet features_of(Exec const& exec, Backbone const& backbone, typename Prompt::State const& prompt, Beside const& averaged, Examples const& examples, Reading reading) const {
    reading.query_cache = reading.cache;
    if constexpr (features_keep_moving) { reading.cache = nullptr; }
    if constexpr (BanksTunings<Backbone> && !SharesTrunk<Backbone>) {
      return extract_side_by_side(exec, backbone.networks(), examples, reading);
    } else {
      return on_networks(backbone, prompt, averaged, [&](auto const& network) { return extract_features(exec, network, examples, reading); });
    }
  }

  /// Calls `use` with what answers, seen as one network.
  template <class Use>
  [[nodiscard]] auto on_networks(Backbone const& backbone, typename Prompt::State const& prompt, Beside const& averaged, Use const& use) const {
    Prompted const learns(backbone, prompt_, prompt);
    if constexpr (AveragesBeside<Merge>) {
      if (averaged) { return use(SideBySide(learns, Prompted(averaged->backbone, prompt_, averaged->prompt))); }
    }
    return use(learns);
  }

  /// So many pictures tell how far learning moved their features, where the head has no use for those of all.
  static constexpr Index watched = 256;
  static constexpr bool tells_change = features_move && !SharesTrunk<Backbone>;  // what reads the trunk was not published

  /// Whether the pass behind the learning reads every picture: for the head's statistics, or to tell which cannot be read.
  [[nodiscard]] static bool reads_all(Reading const& reading) { return LearnsFromFeatures<Head> || reading.skip_bad; }

  /// The pictures of a task whose features are read after learning by gradient: all, those watched, or none.
  [[nodiscard]] Examples read_again(Examples const& examples, Reading const& reading) const {
    if (reads_all(reading)) { return examples; }
    return examples.evenly(tells_change && learns_now() ? watched : 0);
  }

  /// How far the learning moved the features of the task's pictures.
  template <class Exec>
  [[nodiscard]] static std::optional<double> feature_change(Exec const& exec, Backbone const& backbone, FeatureSet const& set, Examples const& read, Reading const& reading) {
    if constexpr (!tells_change) {
      return std::nullopt;
    } else {
      Index const width = tuned_part(backbone).width();
      Index const behind = backbone.width() - width;
      if constexpr (requires { Backbone::begins_with_published; }) {
        return relative_feature_change(set.features.view(), behind, set.features.view(), 0, width);
      } else {
        FeatureSet const published = extract_features(exec, backbone.trunk(), read.subset(set.positions), reading);
        return relative_feature_change(set.features.view(), behind, published.features.view(), 0, width);
      }
    }
  }

  /// What merging reads of this learner.
  [[nodiscard]] LearnedParts<Backbone, Prompt, Head, Merge> parts() const { return {backbone_, prompt_, head_, merge_, prompt_state_, head_state_, merge_state_, classes_, tasks_seen_}; }

  void check_learned() const {
    if (classes_.size() == 0) { fail<ValueError>("Learner::predict", "there is no class to choose from; observe a task first"); }
  }

  static void check_features(std::string_view function, MatrixView<float const> features, Index width) {
    expects(features.extent(1) == width, function, "features must have the width of the backbone", features.extent(1), width);
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
  typename Merge::State merge_state_;
  Beside beside_;
  ClassMap classes_;
  Index tasks_seen_ = 0;
  KeptMoments moments_;            ///< of optimisers, where they are kept from task to task
  std::vector<Examples> history_;  ///< pictures that a protocol looks at again, by task
};

}  // namespace accrete
