#include "prompt/prompt_files.hpp"
#include "prompt/prompted_learning.hpp"
#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"
#include "support/vit_checks.hpp"

#include <accrete/metric/slot_usage.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/sgd.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

namespace accrete::test::fixed_test {

namespace {

HostExecutor<> const exec{.threads = 2};

template <class Depth>
FixedPrompt<Depth> vpt(PromptInit initial = PromptInit::xavier) {
  return {.length = 3, .initial = initial};
}

/// A hook that spoils its own rows behind every block before it gives those of the next.
template <class Hook>
struct Spoiling : Hook {
  explicit Spoiling(Hook hook) : Hook(std::move(hook)) {}

  [[nodiscard]] Injects kind(Index /*block*/) const { return Injects::tokens; }
  [[nodiscard]] TokenInjection tokens(Index block, TensorView<float const, 3> hidden) const {
    if (block > 0) {
      TensorView<float, 3> const stream(const_cast<float*>(hidden.data()), hidden.shape());  // NOLINT(cppcoreguidelines-pro-type-const-cast): the pass's own buffer
      for (Index b = 0; b < stream.extent(0); ++b) {
        for (float& value : stream[b].slice(17, stream.extent(1) - 17)) { value = -value; }
      }
    }
    return Hook::kind(block) == Injects::tokens ? Hook::tokens(block) : TokenInjection{};
  }
};

}  // namespace

TEST_CASE("rows begin within the bound of the paper") {
  Placed<FixedPrompt<Deep>> const placed({.length = 10, .initial = PromptInit::xavier}, {.depth = 12, .tokens = 197, .width = 768, .patch_inputs = 3 * 16 * 16});
  auto const rows = placed.state.parameters().values();
  CHECK(std::all_of(rows.begin(), rows.end(), [](float value) { return std::abs(value) < 0.0625F; }));
  CHECK((*std::max_element(rows.begin(), rows.end()) > 0.06F && *std::min_element(rows.begin(), rows.end()) < -0.06F));
  double const squares = std::inner_product(rows.begin(), rows.end(), rows.begin(), 0.0);
  CHECK(std::abs(std::sqrt(squares / static_cast<double>(rows.size())) - 0.0625 / std::sqrt(3.0)) <= 0.0625 * 5.0 / std::sqrt(static_cast<double>(rows.size())));
  CHECK(row_diversity(placed.state.parameters().view<3>(FixedPrompt<Deep>::segment)[11]) > 0.5);
  Placed<FixedPrompt<Shallow>> const fine({.length = 100, .initial = PromptInit::xavier}, {.depth = 1, .tokens = 5, .width = 6, .patch_inputs = 90});  // sqrt(6 / 96)
  CHECK(std::abs(*std::max_element(fine.state.parameters().values().begin(), fine.state.parameters().values().end()) / 0.25F - 1.0F) <= 0.05F);
  CHECK(prompt_place(plain_network()).patch_inputs == 3 * 8 * 8);
  Placed<FixedPrompt<Shallow>> const by_width({.length = 100, .initial = PromptInit::width}, {.depth = 12, .tokens = 197, .width = 768, .patch_inputs = 3 * 16 * 16});
  double const bound = 1.0 / std::sqrt(768.0);
  for (float const value : by_width.state.parameters().values()) { CHECK(std::abs(static_cast<double>(value)) <= bound); }
  CHECK(std::abs(static_cast<double>(*std::max_element(by_width.state.parameters().values().begin(), by_width.state.parameters().values().end()))) >= 0.99 * bound);
  Placed<FixedPrompt<Shallow>> const zeros({.initial = PromptInit::zeros}, {.depth = 12, .tokens = 197, .width = 768, .patch_inputs = 768});
  auto const none = zeros.state.parameters().values();
  CHECK(none.size() == 5 * 768);
  CHECK(all_zero(none));
  CHECK_THROWS_AS(Placed<FixedPrompt<Deep>>({.length = 0}, {.depth = 1, .tokens = 2, .width = 4, .patch_inputs = 4}), ValueError);
}

TEST_CASE_TEMPLATE("rows behind the patches act as rows behind the class token", Depth, Shallow, Deep) {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  Placed<FixedPrompt<Depth>> const placed(vpt<Depth>(), prompt_place(vit));
  auto const got = Prompted(vit, placed.prompt, placed.state).features(exec, images.cview());
  TableHook<HostExecutor<>> behind_class;
  auto const rows = placed.state.parameters().template view<3>(FixedPrompt<Depth>::segment);
  for (Index block = 0; block < rows.extent(0); ++block) { behind_class.rows.push_back(to_host(exec, rows.slice(block, 1))); }
  auto const last = vit.forward(exec, vit.embed(exec, images), behind_class);
  CHECK(relative_difference(got, vit.pool(exec, last)) < 1e-5);  // the specification's bound
  CHECK(relative_difference(got, vit.features(exec, images)) > 1e-3);
  Measured hook(placed.prompt.hook(exec, placed.state));
  static_cast<void>(vit.forward(exec, vit.embed(exec, images), hook));
  CHECK(hook.lengths == std::vector<Index>{20, 20, 20});
}

TEST_CASE("what a block makes of deep rows is dropped; shallow rows go on") {
  auto const vit = plain_network();
  auto const tokens = vit.embed(exec, many_images(4, vit.shape()));
  auto const feature = [&](auto hook) { return vit.pool(exec, vit.forward(exec, tokens, hook)); };
  Placed<FixedPrompt<Deep>> const deep(vpt<Deep>(), prompt_place(vit));
  CHECK(same_bits(feature(Spoiling(deep.prompt.hook(exec, deep.state))), feature(deep.prompt.hook(exec, deep.state))));
  Placed<FixedPrompt<Shallow>> const shallow(vpt<Shallow>(), prompt_place(vit));
  CHECK(relative_difference(feature(Spoiling(shallow.prompt.hook(exec, shallow.state))), feature(shallow.prompt.hook(exec, shallow.state))) > 1e-3);
}

TEST_CASE("in a network of one block deep is shallow") {
  TemporaryFolder const folder;
  ToyCheckpoint(1).write(folder / "toy");
  auto const vit = Vit<>::load(folder / "toy", {.heads = 2, .image_height = 4, .image_width = 4});
  auto const images = many_images(3, vit.shape());
  Placed<FixedPrompt<Deep>> const deep(vpt<Deep>(), prompt_place(vit));
  Placed<FixedPrompt<Shallow>> const shallow(vpt<Shallow>(), prompt_place(vit));
  CHECK(deep.state.parameters() == shallow.state.parameters());
  CHECK(same_bits(Prompted(vit, deep.prompt, deep.state).features(exec, images.cview()), Prompted(vit, shallow.prompt, shallow.state).features(exec, images.cview())));
}

TEST_CASE_TEMPLATE("rows of zeros stay the same rows whatever they learn, others differ; the network has no gradient", Depth, Shallow, Deep) {
  auto const vit = plain_network();
  auto const images = many_images(2, vit.shape());
  for (PromptInit const initial : {PromptInit::zeros, PromptInit::xavier}) {
    PromptedLearning<FixedPrompt<Depth>, Sgd> learning(vit, vpt<Depth>(initial));
    learning.exec.threads = 1;  // two pictures are not worth a second
    auto const before = learning.store();
    learning.learn(0, images, 200, 0.01);
    CHECK(learning.network_gradients() == 0);
    auto const rows = std::as_const(learning.store()).template view<3>(FixedPrompt<Depth>::segment);
    for (Index block = 0; block < rows.extent(0); ++block) {
      CAPTURE(block);
      CHECK_FALSE(same_bits(rows[block], before.template view<3>(FixedPrompt<Depth>::segment)[block]));
      CHECK((row_diversity(rows[block]) == 0.0) == (initial == PromptInit::zeros));
      CHECK(same_bits(rows[block][2], rows[block][0]) == (initial == PromptInit::zeros));
    }
  }
}

TEST_CASE_TEMPLATE("rows get the gradient of all pictures, block by block, until it is collected", Depth, Shallow, Deep) {
  Placed<FixedPrompt<Depth>> placed(vpt<Depth>(), {.depth = 2, .tokens = 5, .width = 4, .patch_inputs = 4}, 1);
  auto hook = placed.prompt.learning_hook(exec, placed.state);
  auto gradients = placed.store();
  auto const rows = numbers_of(gradients, FixedPrompt<Depth>::segment);
  auto want = Vector<double>::zeros({rows.size()});
  for (Index block = 0; block < rows.size() / 12; ++block) {
    auto const d_rows = normal<float>(static_cast<std::uint64_t>(block) + 1, Shape<3>{5, 3, 4});
    hook.tokens_gradient(block, d_rows.cview());
    for (Index i = 0; i < d_rows.size(); ++i) { want(12 * block + i % 12) += static_cast<double>(d_rows.data()[i]); }
  }
  hook.collect(gradients);
  CHECK(relative_difference(rows, want) <= tolerance<float>(Kind::elementwise));
  hook.collect(gradients);
  CHECK(all_zero(rows));
}

TEST_CASE("rows go through a model file") { check_file(Placed<FixedPrompt<Deep>>(vpt<Deep>(), prompt_place(plain_network()), 1)); }

}  // namespace accrete::test::fixed_test
