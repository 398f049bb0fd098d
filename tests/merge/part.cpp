#include <accrete/merge/ema.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/merge/part.hpp>

#include <doctest/doctest.h>

namespace accrete::test::part_test {

namespace {

template <class Part>
bool takes(char const* name, char const* role = "backbone") {
  return takes_segment<Part>({.name = name, .shape = {1}, .role = role});
}

}  // namespace

TEST_CASE("parts take segments by name or role") {
  CHECK(takes<OfBackbone>("cls_token"));
  CHECK(takes<OfNorms>("blocks.0.norm1.weight"));
  CHECK(takes<OfNorms>("fc_norm.bias"));
  CHECK_FALSE(takes<OfNorms>("blocks.0.mlp.fc1.weight"));
  for (char const* const name : {"blocks.0.attn.qkv.weight", "blocks.11.mlp.fc2.weight", "blocks.0.attn.qkv.lora_q.a", "blocks.0.mlp.fc1.lora.b"}) { CHECK(takes<OfAttentionAndMlp>(name)); }
  for (char const* const name : {"blocks.0.attn.qkv.bias", "blocks.0.norm1.weight", "patch_embed.proj.weight", "pos_embed"}) { CHECK_FALSE(takes<OfAttentionAndMlp>(name)); }
  CHECK(takes<OfTrunk>("norm.bias", "trunk"));
  CHECK_FALSE(takes<OfTrunk>("norm.bias"));
  CHECK(takes<OfGeneralPrompt>("prompt.general", "prompt"));
  CHECK(FisherMerge<OfNorms>::composition() == "fisher<norms>");
  static_assert(NeedsFisher<FisherMerge<OfPrompt>> && !NeedsFisher<Ema<>> && !FoldsFirstTask<Ema<>>);
}

}  // namespace accrete::test::part_test
