#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/sha256.hpp>
#include <accrete/core/task.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/merge/none.hpp>
#include <accrete/merge/part.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/stream/join.hpp>
#include <accrete/train/checkpoint.hpp>
#include <accrete/train/fisher.hpp>
#include <accrete/train/gather_spans.hpp>
#include <accrete/train/loss/concept.hpp>
#include <accrete/train/memory.hpp>
#include <accrete/train/prompted.hpp>
#include <accrete/train/protocol.hpp>
#include <accrete/train/reading.hpp>
#include <accrete/train/task_plan.hpp>
#include <accrete/train/tuned_part.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete {

/// How a learner learns one task by gradient: what moves, the stage, and what the merge rule makes of it. Looks at the learner's parts and changes copies.
template <class Backbone, class Prompt, class Head, class Merge, class Protocol>
struct GradientTask {
  static_assert(!NeedsFisher<Merge> || (Protocol::trains != Trains::none && LearnsByGradient<Head>),
                "Fisher information comes from gradients under the head of all classes; give the Learner a protocol whose tasks learn by gradient, and a head that does");

  Backbone const& backbone;
  Prompt const& prompt;
  Head const& head;
  Merge const& merge;
  Protocol const& protocol;
  typename Prompt::State const& prompt_state;
  typename Head::State const& head_state;
  typename Merge::State const& merge_state;
  ClassMap const& classes;
  Index tasks_seen;
  KeptMoments const& moments;            ///< what optimisers ended the last task with
  std::vector<Examples> const& history;  ///< pictures that a protocol looks at again, by task
  std::string identity;                  ///< composition and settings, for checkpoints

  /// Whether an optimiser can serve for the whole run: what it moves is there from task to task.
  static constexpr bool may_keep_moments = LearnsByGradient<Head> && !ReplaysAll<Protocol> && !BanksTunings<Backbone>;

  /// What gradients move, apart from the learner until the task is done.
  struct Moved {
    Backbone backbone;
    typename Prompt::State prompt;
    std::optional<typename Head::State> head;  ///< only where the head itself is trained
    typename Merge::State merge;
    KeptMoments moments = {};   ///< where they are kept
    Vector<float> fisher = {};  ///< of what the merge rule takes, of its store's layout; empty where it asks for none
  };

  /// Copies of everything that gradients move, ready for a task.
  [[nodiscard]] Moved begin(TaskPlan const& plan) const {
    if constexpr (WantsNewClasses<Head>) {
      Index const first = plan.own_range().first;
      if (first < plan.task.first_class) { fail<ValueError>("Learner::observe", "each task has a classifier of its own, so that a class cannot come again (came: ", plan.classes.name(first), ")"); }
    }
    Moved moved{backbone, prompt_state, std::nullopt, merge_state, {}, {}};
    if (protocol.training.keeps_moments) {
      if constexpr (may_keep_moments) {
        moved.moments = moments;
      } else {
        fail<ValueError>("Learner::observe", "moments can be kept only where the learner's own head and one network learn on from task to task");
      }
    }
    if (Protocol::trains == Trains::every_task || tasks_seen == 0) { prompt.begin_task(moved.prompt, plan.task); }  // what is added must be learned
    if constexpr (BanksTunings<Backbone>) { moved.backbone.begin_task(plan.task); }
    if constexpr (LearnsByGradient<Head>) { moved.head = head_state; }
    begin_anew(moved, plan);
    if constexpr (AveragesBeside<Merge>) { merge.begin_task(moved.merge, learning(moved), plan.task); }
    if constexpr (LearnsByGradient<Head>) { head.admit(*moved.head, plan.task, part_width(backbone)); }
    return moved;
  }

  /// The stage of a task that learns by gradient.
  template <class Exec>
  void train(Exec const& exec, Moved& moved, TaskPlan plan, Examples examples, Reading const& reading, TrainingRun const& run) const {
    if constexpr (ReplaysAll<Protocol>) {
      std::vector<Examples> all = history;
      all.push_back(std::move(examples));
      examples = join(std::move(all));
      plan.columns = columns_of(plan.classes, examples);
    }
    auto const stage = protocol.stage(exec, prompt, examples, reading, run);
    std::string const fingerprint = run.checkpoint == nullptr ? std::string() : stage_fingerprint(moved, plan, examples);
    if constexpr (LearnsByGradient<Head>) {
      TrainingTask task = plan.all_columns(Protocol::competing, fingerprint);
      if constexpr (LooksBack<Protocol>) {
        for (Examples const& pictures : history) { task.memories.push_back({pictures, columns_of(plan.classes, pictures)}); }
      }
      if constexpr (JudgesFeatures<typename Protocol::Loss>) { task.means = head.class_means(*moved.head); }
      task.merge = step_merge(exec, moved);
      if (protocol.training.keeps_moments) { task.moments = &moved.moments; }
      stage.train(moved.backbone, moved.prompt, head, moved.head->parameters(), task);
      if constexpr (NeedsFisher<Merge>) { take_fisher(exec, moved, plan, examples, reading, run); }
    } else {
      typename Protocol::TrainedHead::Type const temporary{.seed = protocol.training.seed};
      typename Protocol::TrainedHead::Type::State state;
      temporary.admit(state, {.index = 0, .first_class = 0, .classes = plan.own_range().count}, tuned_part(moved.backbone).width());
      TrainingTask task = plan.own_columns(fingerprint);
      task.merge = step_merge(exec, moved);
      stage.train(moved.backbone, moved.prompt, temporary, state.parameters(), task);
    }
  }

  /// Folds what the task made of the learning parameters into those that are kept.
  void fold(Moved& moved) const {
    if constexpr (std::is_same_v<Merge, NoMerge>) {
    } else if constexpr (MergedPart<Merge>::of_prompt) {
      fold_prompt(moved);
    } else {
      auto& network = tuned_part(moved.backbone);
      ParameterStore<float> fresh = network.parameters();
      ParameterStore<float> const& kept = keeps_something() ? tuned_part(backbone).parameters() : fresh;
      auto const spans = spans_of_part<MergedPart<Merge>>(fresh);
      fold_spans(moved, kept, spans, fresh, spans);
      network.assign(std::move(fresh));
    }
  }

  /// What is looked at again of a task.
  [[nodiscard]] Examples kept_of(Examples const& examples, Index task) const {
    if constexpr (LooksBack<Protocol> && !ReplaysAll<Protocol>) {
      std::vector<MemorySample> samples;
      for (Index i = 0; i < examples.size(); ++i) { samples.push_back({i, examples.class_names()[static_cast<std::size_t>(examples.label(i))]}); }
      EpisodicMemory memory;
      protocol.memory.offer(memory, task, samples);
      std::vector<Index> positions;
      for (MemorySample const& sample : memory.samples(task)) { positions.push_back(sample.position); }
      return examples.subset(std::move(positions));
    } else {
      return examples;
    }
  }

 private:
  /// What a rule that averages beside looks at.
  [[nodiscard]] static ParameterStore<float> const& learning(Moved const& moved) {
    if constexpr (MergedPart<Merge>::of_prompt) {
      return moved.prompt.parameters();
    } else {
      return tuned_part(moved.backbone).parameters();
    }
  }

  /// What the merge rule does behind every step.
  template <class Exec>
  [[nodiscard]] StepMerge step_merge(Exec const& exec, Moved& moved) const {
    StepMerge each;
    if constexpr (MergesEveryStep<Merge>) {
      each.change = [&](VectorView<float> learned) { merge.after_step(moved.merge, learned); };
    }
    if constexpr (AveragesBeside<Merge>) {
      each.of_prompt = MergedPart<Merge>::of_prompt;
      each.follow = [&](ParameterStore<float> const& learned) { merge.after_step(exec, moved.merge, learned); };
      each.write = [&](ModelWriter const& writer) { moved.merge.write(writer); };
      each.read = [&](ModelReader const& reader) { moved.merge = Merge::State::read(reader); };
    }
    return each;
  }

  /// Forgets what earlier tasks have moved: all their pictures are learned again together with the new ones.
  void begin_anew(Moved& moved, TaskPlan const& plan) const {
    if constexpr (ReplaysAll<Protocol>) {
      moved.backbone = Backbone(backbone.trunk(), backbone.tuning(), {.seed = protocol.training.seed, .purpose = Purpose::initialisation});
      moved.head = typename Head::State();
      Index first = 0;
      for (Index task = 0; task < plan.task.index; ++task) {
        auto const count = static_cast<Index>(std::count(classes.tasks().begin(), classes.tasks().end(), task));
        head.admit(*moved.head, {.index = task, .first_class = first, .classes = count}, backbone.width());
        first += count;
      }
    }
  }

  /// Takes the Fisher information of what the task has learned, before anything is merged.
  template <class Exec>
  void take_fisher(Exec const& exec, Moved& moved, TaskPlan const& plan, Examples const& examples, Reading const& reading, TrainingRun const& run) const {
    constexpr bool of_prompt = MergedPart<Merge>::of_prompt;
    static_assert(of_prompt ? LearnedPrompt<Prompt> : !std::is_same_v<TuningOf<Backbone>, Frozen>, "Fisher information is taken of what learns below the head, and nothing that this rule merges does");
    if (!merge.asks_for_fisher()) { return; }
    constexpr FisherOf what = of_prompt ? FisherOf::prompt : FisherOf::network;
    moved.fisher = fisher_information<what>(exec, tuned_part(moved.backbone), prompt, moved.prompt, head, std::as_const(*moved.head).parameters(), examples, plan.columns, plan.task.index,
                                            merge.fisher, protocol.training, reading, run);
  }

  /// Whether what was there before the task counts as kept.
  [[nodiscard]] bool keeps_something() const { return FoldsFirstTask<Merge> || tasks_seen > 0; }

  /// Folds spans of one store into the same of another.
  void fold_spans(Moved& moved, ParameterStore<float> const& kept, std::span<ParameterSpan const> kept_spans, ParameterStore<float>& fresh, std::span<ParameterSpan const> spans) const {
    Vector<float> learned({span_elements(spans)});
    Vector<float> merged(learned.shape());
    if constexpr (KeepsAverage<Merge>) {
      gather_spans(moved.merge.averaged().values(), spans, learned.view());
    } else {
      gather_spans(std::as_const(fresh).values(), spans, learned.view());
    }
    gather_spans(kept.values(), kept_spans, merged.view());
    if constexpr (NeedsFisher<Merge>) {
      Vector<float> fisher({moved.fisher.empty() ? 0 : learned.size()});
      if (!moved.fisher.empty()) { gather_spans(moved.fisher.cview(), spans, fisher.view()); }
      moved.fisher = {};
      merge.fold(moved.merge, merged.view(), learned.cview(), std::move(fisher));
    } else {
      merge.fold(moved.merge, merged.view(), learned.cview());
    }
    scatter_spans(merged.cview(), spans, fresh.values());
  }

  /// Segments of a prompt that have grown since, or came new, stay as the task left them.
  void fold_prompt(Moved& moved) const {
    ParameterStore<float>& fresh = moved.prompt.parameters();
    ParameterStore<float> const& before = keeps_something() ? prompt_state.parameters() : std::as_const(fresh);
    std::vector<ParameterSpan> kept_spans;
    std::vector<ParameterSpan> spans;
    for (Index i = 0; i < fresh.size(); ++i) {
      ParameterSegment const& segment = fresh.segments()[static_cast<std::size_t>(i)];
      bool const merges = takes_segment<MergedPart<Merge>>(segment) && before.contains(segment.name) && before.segment(segment.name).shape == segment.shape;
      if (!merges || fresh.trainable_of(i).count == 0) { continue; }
      spans.push_back(fresh.trainable_of(i));
      kept_spans.push_back({0, before.offset(segment.name) + spans.back().first - fresh.offset(segment.name), spans.back().count});
    }
    fold_spans(moved, before, kept_spans, fresh, spans);
  }

  [[nodiscard]] static std::vector<Index> columns_of(ClassMap const& classes, Examples const& examples) {
    std::vector<Index> columns;
    for (std::string const& label : detail::labels_of(examples)) { columns.push_back(classes.at(label)); }
    return columns;
  }

  /// Names everything a stage begins with, so that a checkpoint is never used for another.
  [[nodiscard]] std::string stage_fingerprint(Moved const& moved, TaskPlan const& plan, Examples const& examples) const {
    Sha256 digest;
    auto const add = [&](std::string text) {
      text += '\n';
      digest.update(std::as_bytes(std::span(text)));
    };
    add(identity);
    add(message(plan.task.index, ' ', plan.task.first_class, ' ', plan.task.classes));
    add(std::to_string(protocol.training.seed));
    add(Prompted(moved.backbone, prompt, moved.prompt).hash());
    for (Index i = 0; i < examples.size(); ++i) { add(examples.where(i)); }
    for (Index const column : plan.columns) { add(std::to_string(column)); }
    return digest.hex();
  }
};

}  // namespace accrete
