#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/head_data.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/prototype.hpp>
#include <accrete/head/subspace.hpp>
#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace accrete::test::subspace_test {

namespace {

using Eigens = HostExecutor<EigenProducts>;
using State = SubspaceHead::State;

Matrix<float> matrix(Index rows, Index columns, std::vector<float> const& values) {
  Matrix<float> result({rows, columns});
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

constexpr Index width = 12;
constexpr Index sizes[3] = {3, 4, 2};  // tasks of unequal size

/// Features of all blocks, [leading + 3 subspaces], of samples of 9 classes; task t sees the first leading + t + 1 of them.
struct Course {
  Lesson lesson;
  Index leading;

  explicit Course(Index blocks_before) : lesson(clouds(180, (blocks_before + 3) * width, 9, 21)), leading(blocks_before) {}

  [[nodiscard]] static Index first_of(Index task) { return task == 0 ? 0 : first_of(task - 1) + sizes[task - 1]; }
  [[nodiscard]] static Index task_of(Index column) { return column < 3 ? 0 : column < 7 ? 1 : 2; }

  [[nodiscard]] Lesson seen_in(Index task) const {
    std::vector<Index> rows;
    for (Index i = 0; i < lesson.size(); ++i) {
      if (task_of(lesson.columns[static_cast<std::size_t>(i)]) == task) { rows.push_back(i); }
    }
    return cut(lesson.rows(rows), task);
  }
  [[nodiscard]] Lesson cut(Lesson const& whole, Index task) const {
    Lesson part{Matrix<float>({whole.size(), (leading + task + 1) * width}), whole.columns};
    for (Index i = 0; i < whole.size(); ++i) { std::copy_n(whole.features[i].begin(), part.features.extent(1), part.features[i].begin()); }
    return part;
  }

  template <class Exec>
  void teach(Exec const& exec, SubspaceHead const& head, State& state, Index task) const {
    head.admit(state, {.index = task, .first_class = first_of(task), .classes = sizes[task]}, width);
    Lesson const part = seen_in(task);
    head.observe(exec, state, part.features.view(), part.columns);
    head.fit(exec, state);
  }
};

double cosine(double const* a, double const* b) {
  double ab = 0.0;
  double aa = 0.0;
  double bb = 0.0;
  for (Index j = 0; j < width; ++j) {
    ab += a[j] * b[j];
    aa += a[j] * a[j];
    bb += b[j] * b[j];
  }
  return ab / std::sqrt(aa * bb);
}

/// Prototypes by loops over scalars, from the real ones of each class.
Matrix<double> naive_prototypes(Course const& course, Index tasks) {
  Index const classes = Course::first_of(tasks - 1) + sizes[tasks - 1];
  Index const blocks = course.leading + tasks;
  auto p = Matrix<double>::zeros({classes, blocks * width});
  for (Index c = 0; c < classes; ++c) {
    Lesson const part = course.lesson.of_class(c);
    for (Index j = 0; j < (course.leading + Course::task_of(c) + 1) * width; ++j) {
      for (Index i = 0; i < part.size(); ++i) { p(c, j) += static_cast<double>(part.features(i, j)) / static_cast<double>(part.size()); }
    }
  }
  auto const block = [&](Index c, Index subspace) { return p.data() + c * p.extent(1) + (course.leading + subspace) * width; };
  for (Index c = 0; c < classes; ++c) {
    Index const own = Course::task_of(c);
    for (Index j = own + 1; j < tasks; ++j) {
      double sum = 0.0;
      for (Index n = 0; n < classes; ++n) {
        if (Course::task_of(n) < j) { continue; }
        double const w = std::exp(cosine(block(c, own), block(n, own)));
        sum += w;
        for (Index k = 0; k < width; ++k) { block(c, j)[k] += w * block(n, j)[k]; }
      }
      for (Index k = 0; k < width; ++k) { block(c, j)[k] /= sum; }
    }
  }
  return p;
}

}  // namespace

TEST_CASE_TEMPLATE("a missing prototype is put together by likeness", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  SubspaceHead const head;
  State state;
  head.admit(state, {.index = 0, .first_class = 0, .classes = 1}, 2);
  head.observe(exec, state, matrix(1, 2, {1, 0}).view(), std::vector<Index>{0});
  head.fit(exec, state);
  head.admit(state, {.index = 1, .first_class = 1, .classes = 2}, 2);
  head.observe(exec, state, matrix(2, 4, {1, 0, 2, 0, 0, 1, 0, 4}).view(), std::vector<Index>{1, 2});
  head.fit(exec, state);
  CHECK(state.prototypes()(0, 2) == doctest::Approx(1.4621).epsilon(1e-4));
  CHECK(state.prototypes()(0, 3) == doctest::Approx(1.0758).epsilon(1e-4));
}

TEST_CASE_TEMPLATE("scores of the worked example", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  SubspaceHead const head{.alpha = 0.1};
  State state;
  head.admit(state, {.index = 0, .first_class = 0, .classes = 1}, 2);
  head.observe(exec, state, matrix(1, 2, {1, 0}).view(), std::vector<Index>{0});
  head.admit(state, {.index = 1, .first_class = 1, .classes = 1}, 2);
  head.observe(exec, state, matrix(1, 4, {0, 1, 3, 4}).view(), std::vector<Index>{1});
  head.fit(exec, state);
  CHECK(state.prototypes()(0, 2) == doctest::Approx(3.0));
  auto const z = scores_of(exec, head, state, matrix(1, 4, {1, 1, 4, 3}));
  CHECK(static_cast<double>(z(0, 0)) == doctest::Approx(0.8031).epsilon(1e-4));
  CHECK(static_cast<double>(z(0, 1)) == doctest::Approx(1.0307).epsilon(1e-4));
}

TEST_CASE_TEMPLATE("tasks of unequal size: prototypes and scores are those of loops over classes", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  for (bool const pretrained : {false, true}) {
    SubspaceHead const head{.alpha = 0.3, .pretrained = pretrained, .beta = 0.7};
    Course const course(pretrained ? 1 : 0);
    State state;
    for (Index t = 0; t < 3; ++t) {
      course.teach(exec, head, state, t);
      auto const want = naive_prototypes(course, t + 1);
      CHECK(relative_difference(state.prototypes(), want) <= tolerance<double>(Kind::sum));

      auto const queries = course.cut(course.lesson.range(0, 30), t).features;
      Matrix<double> z({30, state.classes()});
      for (Index i = 0; i < 30; ++i) {
        std::vector<double> q(queries[i].begin(), queries[i].end());
        for (Index c = 0; c < state.classes(); ++c) {
          z(i, c) = pretrained ? head.beta * cosine(q.data(), want.data() + c * want.extent(1)) : 0.0;
          for (Index j = 0; j <= t; ++j) {
            Index const at = (course.leading + j) * width;
            z(i, c) += (j == Course::task_of(c) ? 1.0 : head.alpha / static_cast<double>(t)) * cosine(q.data() + at, want.data() + c * want.extent(1) + at);
          }
        }
      }
      CHECK(relative_difference(scores_of(exec, head, state, queries), z) <= tolerance<float>(Kind::product));
    }
  }
}

TEST_CASE("one task is the nearest class mean by cosine") {
  Course const course(0);
  SubspaceHead const head;
  State state;
  course.teach(Eigens{}, head, state, 0);
  PrototypeHead const plain;
  PrototypeHead::State means;
  teach(Eigens{}, plain, means, course.seen_in(0), 3);
  auto const queries = course.cut(course.lesson, 0).features;
  CHECK(relative_difference(scores_of(Eigens{}, head, state, queries), scores_of(Eigens{}, plain, means, queries)) <= tolerance<float>(Kind::softmax));
}

TEST_CASE("real prototypes keep their bits, synthetic ones change with a task") {
  Course const course(0);
  SubspaceHead const head;
  State state;
  course.teach(Eigens{}, head, state, 0);
  course.teach(Eigens{}, head, state, 1);
  auto const before = state.prototypes();
  course.teach(Eigens{}, head, state, 2);
  auto const after = state.prototypes();
  for (Index c = 0; c < 7; ++c) {
    Index const real = (Course::task_of(c) + 1) * width;
    CHECK(same_bits(after[c].slice(0, real), before[c].slice(0, real)));
  }
  CHECK(!same_bits(after[0].slice(width, width), before[0].slice(width, width)));
}

TEST_CASE("samples of an old class in a later task count in its own subspaces alone") {
  Course const course(0);
  SubspaceHead const head;
  State state;
  course.teach(Eigens{}, head, state, 0);
  auto const before = state.prototypes();
  head.admit(state, {.index = 1, .first_class = 3, .classes = 0}, width);
  Lesson again = course.cut(course.lesson.of_class(0), 1);
  head.observe(Eigens{}, state, again.features.view(), again.columns);
  head.fit(Eigens{}, state);
  CHECK(relative_difference(state.prototypes()[0].slice(0, width), before[0]) <= tolerance<double>(Kind::sum));  // the same samples twice
  for (double const x : state.prototypes()[0].slice(width, width)) { CHECK(x == 0.0); }                          // no class came with task 1
}

TEST_CASE("shards merge, classes are forgotten, and both leave the bits of one run") {
  Course const course(0);
  SubspaceHead const head;
  State joint;
  for (Index t = 0; t < 3; ++t) { course.teach(Eigens{}, head, joint, t); }
  State shards[2];
  for (Index s = 0; s < 2; ++s) {
    for (Index t = 0; t < 3; ++t) {
      Lesson const part = course.seen_in(t);
      Index const half = part.size() / 2;
      Lesson const mine = s == 0 ? part.range(0, half) : part.range(half, part.size() - half);
      head.admit(shards[s], {.index = t, .first_class = Course::first_of(t), .classes = sizes[t]}, width);
      head.observe(Eigens{}, shards[s], mine.features.view(), mine.columns);
    }
  }
  head.merge(shards[0], shards[1], std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7, 8});
  head.fit(Eigens{}, shards[0]);
  CHECK(same_bits(shards[0].prototypes(), joint.prototypes()));
  CHECK_THROWS_AS(head.merge(shards[0], shards[1], std::vector<Index>{8, 1, 2, 3, 4, 5, 6, 7, 0}), ShapeError);  // classes of other tasks

  head.forget(Eigens{}, joint, 4, {});
  CHECK_THROWS_AS(static_cast<void>(scores_of(Eigens{}, head, joint, course.lesson.features)), ValueError);
  head.fit(Eigens{}, joint);
  CHECK(joint.tasks() == std::vector<Index>{0, 0, 0, 1, 1, 1, 2, 2});
  CHECK(same_bits(joint.prototypes()[7], shards[0].prototypes()[8]));
}

TEST_CASE("a state goes through a file bit for bit") {
  TemporaryFolder const folder;
  for (bool const pretrained : {false, true}) {
    SubspaceHead const head{.pretrained = pretrained};
    Course const course(pretrained ? 1 : 0);
    State state;
    for (Index t = 0; t < 3; ++t) {
      course.teach(Eigens{}, head, state, t);
      ModelWriter writer("test");
      head.write(state, writer);
      writer.write(folder / "m.safetensors");
      State again;
      auto const reader = ModelReader::open(folder / "m.safetensors", "test");
      head.read(again, reader);
      CHECK(same_bits(again.prototypes(), state.prototypes()));
      CHECK(again.tasks() == state.tasks());
      head.fit(Eigens{}, again);
      CHECK(same_bits(again.prototypes(), state.prototypes()));
      CHECK_THROWS_AS((SubspaceHead{.pretrained = !pretrained}).read(again, reader), FileError);
    }
  }
}

TEST_CASE("what does not fit is refused and changes nothing") {
  Course const course(0);
  SubspaceHead const head;
  State state;
  course.teach(Eigens{}, head, state, 0);
  CHECK_THROWS_AS(head.admit(state, {.index = 2, .first_class = 3, .classes = 1}, width), ShapeError);
  CHECK_THROWS_AS(head.admit(state, {.index = 1, .first_class = 2, .classes = 1}, width), ShapeError);
  CHECK_THROWS_AS(head.admit(state, {.index = 1, .first_class = 3, .classes = 1}, width + 1), ShapeError);
  Lesson const part = course.seen_in(1);
  CHECK_THROWS_AS(head.observe(Eigens{}, state, part.features.view(), part.columns), ShapeError);
  CHECK_THROWS_AS(head.forget(Eigens{}, state, 3, {}), ShapeError);
  CHECK(state.classes() == 3);
  head.admit(state, {.index = 1, .first_class = 3, .classes = 4}, width);
  CHECK_THROWS_AS(static_cast<void>(scores_of(Eigens{}, head, state, part.features)), ValueError);
}

}  // namespace accrete::test::subspace_test
