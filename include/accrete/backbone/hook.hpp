#pragma once

#include <accrete/core/tensor.hpp>

#include <concepts>

namespace accrete {

/// Rows put into the sequence before a block.
struct TokenInjection {
  enum class How { insert, overwrite, remove };

  TensorView<float const, 3> rows;  ///< [1 or B, L, D] in the executor's memory; nothing happens when L is 0
  Index at = 1;                     ///< the row they begin at; 1 is right behind the class token
  How how = How::insert;            ///< a shallow prompt is inserted once and carried on; a deep one overwrites its rows in the later blocks; of rows to remove only L is asked
};

/// Keys and values put in front of a block's own, after its projection.
struct PrefixInjection {
  TensorView<float const, 3> k;  ///< [1 or B, P, D] in the executor's memory; nothing happens when P is 0
  TensorView<float const, 3> v;  ///< [1 or B, P, D]
  bool compensated = false;      ///< whether the weights of the prefix sum to one by themselves (nn/compensated_attention.hpp)
};

/// What a hook gives to one block.
enum class Injects { nothing, tokens, prefix, both };

/// A hook is any object with some of these members; the backbone asks once per block, before it runs it, and a member that is missing costs nothing:
///   TokenInjection  tokens(Index block)                                      rows for the sequence
///   TokenInjection  tokens(Index block, TensorView<float const, 3> hidden)   the same, from the tokens [B, T, D] that reach the block
///   PrefixInjection prefix(Index block)                                      keys and values
///   Injects         kind(Index block)                                        what of the two to ask for; without it both are asked
///   void            observe(Index block, TensorView<float const, 3> tokens)  sees the tokens [B, T, D] after the block
///   Index           read_rows()                                              the feature is the mean of so many first rows, each after the final norm; 0: as the network reads it
/// and, while learning, on the way back:
///   void tokens_gradient(Index block, TensorView<float const, 3> d_rows)     [B, L, D] of the rows it gave, per sequence even where the sequences share them
///   void tokens_gradient(Index block, TensorView<float const, 3> d_rows, TensorView<float const, 3> stream, TensorView<float, 3> d_stream)
///                                                                            the same for rows made from the others: `stream` [B, T, D] is what entered the block,
///                                                                            the given rows in their place; what flows to the rows they were made from is added to `d_stream`
///   void prefix_gradient(Index block, TensorView<float const, 3> d_k, TensorView<float const, 3> d_v)   [B, P, D] each, likewise
///   bool learns()                                                            whether these gradients are wanted; without it they are
/// Then it is asked for tokens and prefix of a block once more, and must give what it gave on the way forward.
template <class H>
concept InjectsTokens = requires(H& hook, Index block) {
  { hook.tokens(block) } -> std::convertible_to<TokenInjection>;
};

template <class H>
concept InjectsTokensFromHidden = requires(H& hook, Index block, TensorView<float const, 3> hidden) {
  { hook.tokens(block, hidden) } -> std::convertible_to<TokenInjection>;
};

template <class H>
concept InjectsPrefix = requires(H& hook, Index block) {
  { hook.prefix(block) } -> std::convertible_to<PrefixInjection>;
};

template <class H>
concept StatesKind = requires(H& hook, Index block) {
  { hook.kind(block) } -> std::convertible_to<Injects>;
};

template <class H>
concept ObservesBlocks = requires(H& hook, Index block, TensorView<float const, 3> tokens) {
  hook.observe(block, tokens);
};

template <class H>
concept TakesTokensGradient = requires(H& hook, Index block, TensorView<float const, 3> rows) {
  hook.tokens_gradient(block, rows);
};

template <class H>
concept TakesTokensGradientFromHidden = requires(H& hook, Index block, TensorView<float const, 3> rows, TensorView<float, 3> d_stream) {
  hook.tokens_gradient(block, rows, rows, d_stream);
};

template <class H>
concept TakesPrefixGradient = requires(H& hook, Index block, TensorView<float const, 3> rows) {
  hook.prefix_gradient(block, rows, rows);
};

template <class H>
concept ReadsItsRows = requires(H const& hook) {
  { hook.read_rows() } -> std::convertible_to<Index>;
};

template <class H>
concept SaysWhetherItLearns = requires(H const& hook) {
  { hook.learns() } -> std::same_as<bool>;
};

/// The plain network.
struct NoHook {};

namespace detail {
/// How many of the first rows the feature of a hooked pass is made of, where the network itself would take `own`.
template <class Hook>
[[nodiscard]] Index rows_read(Hook const& hook, Index own) {
  if constexpr (ReadsItsRows<Hook>) {
    Index const rows = hook.read_rows();
    return rows > 0 ? rows : own;
  } else {
    return own;
  }
}

/// Whether the gradients of what `hook` gives are wanted.
template <class Hook>
[[nodiscard]] bool wants_gradients(Hook const& hook) {
  if constexpr (SaysWhetherItLearns<Hook>) {
    return hook.learns();
  } else {
    return true;
  }
}

template <class Hook>
[[nodiscard]] Injects injects(Hook& hook, Index block) {
  if constexpr (StatesKind<Hook>) {
    return hook.kind(block);
  } else {
    return Injects::both;
  }
}

/// What `hook` puts into the sequence before `block`; `rows` is empty where it puts nothing.
template <class Hook>
[[nodiscard]] TokenInjection tokens_of(Hook& hook, Index block, TensorView<float const, 3> hidden) {
  if constexpr (InjectsTokensFromHidden<Hook> || InjectsTokens<Hook>) {
    Injects const kind = injects(hook, block);
    if (kind == Injects::nothing || kind == Injects::prefix) { return {}; }
    if constexpr (InjectsTokensFromHidden<Hook>) {
      return hook.tokens(block, hidden);
    } else {
      return hook.tokens(block);
    }
  } else {
    return {};
  }
}

template <class Hook>
[[nodiscard]] PrefixInjection prefix_of(Hook& hook, Index block) {
  if constexpr (InjectsPrefix<Hook>) {
    Injects const kind = injects(hook, block);
    if (kind == Injects::nothing || kind == Injects::tokens) { return {}; }
    return hook.prefix(block);
  } else {
    return {};
  }
}
}  // namespace detail

}  // namespace accrete
