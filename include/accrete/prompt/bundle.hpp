#pragma once

#include <accrete/backbone/hook.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/transfer.hpp>

#include <algorithm>
#include <type_traits>
#include <vector>

namespace accrete {

/// What rows of a bundle become in a block.
enum class BundlePart { tokens, keys, values };

/// Rows [first, first + rows) of a bundle, and where they go.
struct BundlePiece {
  Index block = 0;
  BundlePart part = BundlePart::tokens;
  Index first = 0;
  Index rows = 0;
  bool mixed = false;  ///< keys and values of a batch change places as in `PilotPrefix`; the rows of the values stand behind those of the keys then
};

/// How the bundle [B or 1, R, D] that a prompt makes for a batch is spread over the blocks of a network. Pieces of one part of one block stand behind each other.
/// Tokens are inserted before the first block that has some; those of later blocks overwrite them.
struct BundlePlan {
  std::vector<BundlePiece> pieces;
  Index rows = 0;       ///< R
  Index at = 0;         ///< the row of the sequence where tokens begin
  Index read_rows = 0;  ///< how many first rows the feature is the mean of; 0: as the network reads it

  /// The first block that is bent.
  [[nodiscard]] Index first_block() const {
    Index first = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) { first = i == 0 ? pieces[i].block : std::min(first, pieces[i].block); }
    return first;
  }
  [[nodiscard]] Index last_block() const {
    Index last = -1;
    for (BundlePiece const& piece : pieces) { last = std::max(last, piece.block); }
    return last;
  }
  /// The same pieces `times` times, behind each other.
  [[nodiscard]] BundlePlan repeated(Index times) const {
    BundlePlan all{{}, rows * times, at, read_rows * times};
    for (Index t = 0; t < times; ++t) { all.append(pieces, t * rows); }
    return all;
  }
  /// Adds pieces whose rows begin `first` rows later in the bundle.
  void append(std::vector<BundlePiece> const& more, Index first) {
    for (BundlePiece piece : more) {
      piece.first += first;
      pieces.push_back(piece);
    }
  }
};

/// The rows of a bundle in an executor's memory, as a hook.
template <class Exec>
class BundleHook {
 public:
  using Memory = typename Exec::Memory;

  BundleHook(Exec const& exec, BundlePlan plan) : exec_(exec), plan_(std::move(plan)), blocks_(static_cast<std::size_t>(plan_.last_block() + 1)) {
    bool inserted = false;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      for (BundlePiece const& piece : plan_.pieces) {
        if (piece.block == static_cast<Index>(i)) { blocks_[i].part(piece.part).rows += piece.rows; }
      }
      blocks_[i].inserts = !inserted;
      inserted = inserted || blocks_[i].tokens.rows > 0;
    }
  }

  [[nodiscard]] BundlePlan const& plan() const { return plan_; }
  [[nodiscard]] Index read_rows() const { return plan_.read_rows; }

  [[nodiscard]] Injects kind(Index block) const {
    if (block >= static_cast<Index>(blocks_.size())) { return Injects::nothing; }
    Block const& here = blocks_[static_cast<std::size_t>(block)];
    bool const prefix = here.keys.rows > 0;
    return here.tokens.rows > 0 ? (prefix ? Injects::both : Injects::tokens) : (prefix ? Injects::prefix : Injects::nothing);
  }
  [[nodiscard]] TokenInjection tokens(Index block) const {
    Block const& here = blocks_[static_cast<std::size_t>(block)];
    return {here.tokens.values.cview(), plan_.at, here.inserts ? TokenInjection::How::insert : TokenInjection::How::overwrite};
  }
  [[nodiscard]] PrefixInjection prefix(Index block) const {
    Block const& here = blocks_[static_cast<std::size_t>(block)];
    return {here.keys.values.cview(), here.values.values.cview()};
  }

  /// Takes the rows over.
  /// @param[in] bundle [B or 1, R, D] host memory
  void place(TensorView<float const, 3> bundle) {
    expects(bundle.extent(1) == plan_.rows, "BundleHook::place", "the bundle must have the rows of its plan", bundle.extent(1), plan_.rows);
    for_parts([&](Index block, BundlePart part, Placed& placed) {
      Shape<3> const shape{bundle.extent(0), placed.rows, bundle.extent(2)};
      if (!(placed.values.shape() == shape)) { placed.values = Tensor<float, 3, Memory>(shape); }
      if constexpr (std::is_same_v<Memory, HostMemory>) {
        copy_part(bundle, block, part, placed.values.view());
      } else {
        Tensor<float, 3> rows(shape);
        copy_part(bundle, block, part, rows.view());
        kernels::upload(exec_, rows.cview(), placed.values.view());
        exec_.wait();  // `rows` goes
      }
    });
  }

 protected:
  /// The row of the flattened bundle [B R, D] where a piece of a sample begins.
  [[nodiscard]] static Index row_of(BundlePiece const& piece, Index b, TensorView<float const, 3> bundle) {
    if (!piece.mixed) { return b * bundle.extent(1) + piece.first; }
    bool const values = piece.part == BundlePart::values;
    Index const keys = values ? piece.first - piece.rows : piece.first;
    Index const flat = 2 * b + (values ? 1 : 0);  // of [2, B] read as [B, 2]
    return flat % bundle.extent(0) * bundle.extent(1) + keys + flat / bundle.extent(0) * piece.rows;
  }

  /// Rows of one part of one block.
  struct Placed {
    Index rows = 0;
    Tensor<float, 3, Memory> values;
  };
  struct Block {
    Placed tokens, keys, values;
    bool inserts = false;

    [[nodiscard]] Placed& part(BundlePart which) { return which == BundlePart::tokens ? tokens : which == BundlePart::keys ? keys : values; }
  };

  Exec const& exec() const { return exec_; }

  /// Calls use(piece, first row of the piece in its part) for the pieces of a part of a block.
  template <class Use>
  void for_pieces(Index block, BundlePart part, Use const& use) const {
    Index first = 0;
    for (BundlePiece const& piece : plan_.pieces) {
      if (piece.block != block || piece.part != part) { continue; }
      use(piece, first);
      first += piece.rows;
    }
  }

 private:
  template <class Use>
  void for_parts(Use const& use) {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      for (BundlePart const part : {BundlePart::tokens, BundlePart::keys, BundlePart::values}) {
        Placed& placed = blocks_[i].part(part);
        if (placed.rows > 0) { use(static_cast<Index>(i), part, placed); }
      }
    }
  }

  void copy_part(TensorView<float const, 3> bundle, Index block, BundlePart part, TensorView<float, 3> to) const {
    Index const width = bundle.extent(2);
    for_pieces(block, part, [&](BundlePiece const& piece, Index first) {
      for (Index b = 0; b < bundle.extent(0); ++b) { std::copy_n(bundle.data() + row_of(piece, b, bundle) * width, piece.rows * width, to.data() + (b * to.extent(1) + first) * width); }
    });
  }

  Exec exec_;
  BundlePlan plan_;
  std::vector<Block> blocks_;
};

/// The same while it learns: what flows back to the rows comes together in the layout of the bundle.
template <class Exec>
class LearningBundleHook : public BundleHook<Exec> {
  using Base = BundleHook<Exec>;
  using Memory = typename Exec::Memory;

 public:
  using Base::Base;

  /// What the network asks: this alone, whatever prompt made the bundle, so that all prompts share one instance of the pass.
  [[nodiscard]] LearningBundleHook& injected() { return *this; }

  /// Takes the rows of a batch over and begins its gradient with zero.
  /// @param[in] bundle [B or 1, R, D] host memory;  @param[in] batch  B
  void place(TensorView<float const, 3> bundle, Index batch) {
    Base::place(bundle);
    Shape<3> const shape{batch, bundle.extent(1), bundle.extent(2)};
    if (!(gradient_.shape() == shape)) { gradient_ = Tensor<float, 3>(shape); }
    std::fill(gradient_.begin(), gradient_.end(), 0.0F);
  }

  /// [B, R, D] of the last batch, host memory.
  [[nodiscard]] TensorView<float const, 3> gradient() const { return gradient_.cview(); }

  void tokens_gradient(Index block, TensorView<float const, 3> d_rows) { add(block, BundlePart::tokens, d_rows); }
  void prefix_gradient(Index block, TensorView<float const, 3> d_k, TensorView<float const, 3> d_v) {
    add(block, BundlePart::keys, d_k);
    add(block, BundlePart::values, d_v);
  }

 private:
  void add(Index block, BundlePart part, TensorView<float const, 3> d_there) {
    Tensor<float, 3> downloaded;
    TensorView<float const, 3> d_rows = d_there;
    if constexpr (!std::is_same_v<Memory, HostMemory>) {
      downloaded = Tensor<float, 3>(d_there.shape());
      kernels::download(this->exec(), d_there, downloaded.view());
      d_rows = downloaded.cview();
    }
    Index const width = d_rows.extent(2);
    this->for_pieces(block, part, [&](BundlePiece const& piece, Index first) {
      for (Index b = 0; b < d_rows.extent(0); ++b) {
        float const* const from = d_rows.data() + (b * d_rows.extent(1) + first) * width;
        float* const to = gradient_.data() + this->row_of(piece, b, gradient_.cview()) * width;
        for (Index i = 0; i < piece.rows * width; ++i) { to[i] += from[i]; }
      }
    });
  }

  Tensor<float, 3> gradient_;
};

}  // namespace accrete
