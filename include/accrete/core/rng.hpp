#pragma once

#include <accrete/config.hpp>
#include <accrete/core/tensor.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace accrete {

/// The counter-based generator: a bijection of 128-bit counters for every 64-bit key.
/// @source Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3, ten rounds
struct Philox4x32 {
  using Counter = std::array<std::uint32_t, 4>;
  using Key = std::array<std::uint32_t, 2>;
  static constexpr int rounds = 10;

  /// The four random words of one counter. No state, no error.
  [[nodiscard]] static constexpr Counter block(Counter counter, Key key) {
    std::uint32_t words[4] = {counter[0], counter[1], counter[2], counter[3]};
    mix(words, key[0], key[1]);
    return {words[0], words[1], words[2], words[3]};
  }

  /// The same in place, on plain words: std::array's members are host functions to nvcc.
  ACCRETE_HD static constexpr void mix(std::uint32_t (&words)[4], std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < rounds; ++round) {
      mix_once(words[0], words[1], words[2], words[3], key0, key1);
      key0 += 0x9E3779B9U;
      key1 += 0xBB67AE85U;
    }
  }

  /// The same for many counters with one key: words[w] are the w-th words of all.
  template <std::size_t Count>
  static constexpr void mix_all(std::uint32_t (&words)[4][Count], std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < Count; ++i) { mix_once(words[0][i], words[1][i], words[2][i], words[3][i], key0, key1); }
      key0 += 0x9E3779B9U;
      key1 += 0xBB67AE85U;
    }
  }

 private:
  ACCRETE_HD static constexpr void mix_once(std::uint32_t& word0, std::uint32_t& word1, std::uint32_t& word2, std::uint32_t& word3, std::uint32_t key0, std::uint32_t key1) {
    std::uint64_t const first = std::uint64_t{0xD2511F53U} * word0;
    std::uint64_t const second = std::uint64_t{0xCD9E8D57U} * word2;
    word0 = static_cast<std::uint32_t>(second >> 32U) ^ word1 ^ key0;
    word1 = static_cast<std::uint32_t>(second);
    word2 = static_cast<std::uint32_t>(first >> 32U) ^ word3 ^ key1;
    word3 = static_cast<std::uint32_t>(first);
  }
};

/// What a random number is for. The numbers are part of every saved model: append, never reorder.
enum class Purpose : std::uint32_t { shuffle, augmentation, dropout, projection, class_sampling, clustering, initialisation, split, ageing };

/// All there is to store about a stream of random numbers.
struct RngKey {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::shuffle;
  std::uint32_t task = 0;
  std::uint32_t epoch = 0;
  std::uint64_t object = 0;

  friend constexpr bool operator==(RngKey const&, RngKey const&) = default;
};

/// Random numbers by position: a value depends on the key and the element's number only, never on a thread, a rank, or what was drawn before.
/// The key is folded into Philox by Philox itself, so that streams whose keys differ in one field share nothing.
/// `word`, `uniform` and `normal` read the same words; a stream is meant for one of them. The first two can be called on a device too.
class Rng {
 public:
  explicit constexpr Rng(RngKey key) {
    Philox4x32::Key const seed{low(key.seed), high(key.seed)};
    auto const place = Philox4x32::block({static_cast<std::uint32_t>(key.purpose), key.task, key.epoch, 0}, seed);
    auto const stream = Philox4x32::block({place[0] ^ low(key.object), place[1] ^ high(key.object), place[2], place[3]}, seed);
    for (std::size_t i = 0; i < 4; ++i) { stream_[i] = stream[i]; }
  }

  /// 32 random bits.
  [[nodiscard]] ACCRETE_HD constexpr std::uint32_t word(std::uint64_t element) const { return words(element / 4).word[element % 4]; }

  /// In [0, 1), a multiple of 2^-53. Element e is made of words 2e and 2e + 1.
  [[nodiscard]] ACCRETE_HD constexpr double uniform(std::uint64_t element) const {
    auto const four = words(element / 2);
    return between(four.word[element % 2 * 2], four.word[element % 2 * 2 + 1]);
  }

  /// Standard normal, by Box and Muller on the two words of a pair of elements:
  ///   r = sqrt(-2 ln((w0 + 0.5) 2^-32)),  a = 2 pi (w1 + 0.5) 2^-32;   even element r cos a, odd element r sin a
  [[nodiscard]] float normal(std::uint64_t element) const {
    auto const four = words(element / 4);
    auto const pair = normal_pair(four.word[element % 4 / 2 * 2], four.word[element % 4 / 2 * 2 + 1]);
    return element % 2 == 0 ? pair.first : pair.second;
  }

  /// The normals of consecutive elements, the same bits as `normal` gives one by one.
  /// @param[out] out [n]  element `first_element + i` in out[i]
  void fill_normal(std::uint64_t first_element, VectorView<float> out) const {
    Index const count = out.size();
    Index i = 0;
    for (; i < count && (first_element + static_cast<std::uint64_t>(i)) % 4 != 0; ++i) { out[i] = normal(first_element + static_cast<std::uint64_t>(i)); }
    for (; i + 4 <= count; i += 4) {
      auto const four = words((first_element + static_cast<std::uint64_t>(i)) / 4);
      auto const first = normal_pair(four.word[0], four.word[1]);
      auto const second = normal_pair(four.word[2], four.word[3]);
      float* const place = out.data() + i;
      place[0] = first.first;
      place[1] = first.second;
      place[2] = second.first;
      place[3] = second.second;
    }
    for (; i < count; ++i) { out[i] = normal(first_element + static_cast<std::uint64_t>(i)); }
  }

  /// The uniforms of consecutive elements, the same bits as `uniform` gives one by one.
  /// @param[out] out [n]  element `first_element + i` in out[i]
  void fill_uniform(std::uint64_t first_element, VectorView<double> out) const {
    constexpr std::size_t blocks = 16;  // side by side, so that a compiler can take vectors
    constexpr Index elements = 2 * blocks;
    Index const count = out.size();
    Index i = 0;
    for (; i < count && (first_element + static_cast<std::uint64_t>(i)) % 2 != 0; ++i) { out[i] = uniform(first_element + static_cast<std::uint64_t>(i)); }
    for (; i + elements <= count; i += elements) {
      std::uint64_t const first = (first_element + static_cast<std::uint64_t>(i)) / 2;
      std::uint32_t words[4][blocks];
      for (std::size_t b = 0; b < blocks; ++b) {
        words[0][b] = low(first + b);
        words[1][b] = high(first + b);
        words[2][b] = stream_[2];
        words[3][b] = stream_[3];
      }
      Philox4x32::mix_all(words, stream_[0], stream_[1]);
      double* const place = out.data() + i;
      for (std::size_t b = 0; b < blocks; ++b) {
        place[2 * b] = between(words[0][b], words[1][b]);
        place[2 * b + 1] = between(words[2][b], words[3][b]);
      }
    }
    for (; i < count; ++i) { out[i] = uniform(first_element + static_cast<std::uint64_t>(i)); }
  }

  /// A uniformly drawn order of 0 ... n-1 (Fisher and Yates; bounded numbers by Lemire's rejection, so there is no bias).
  /// @throws ShapeError  when n is negative or 2^32 and more
  [[nodiscard]] std::vector<Index> permutation(Index n) const {
    expects(n >= 0 && n <= std::numeric_limits<std::uint32_t>::max(), "Rng::permutation", "the length must lie in [0, 2^32)", n);
    std::vector<Index> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), Index{0});
    std::uint64_t drawn = 0;
    for (std::size_t i = order.size(); i > 1; --i) { std::swap(order[i - 1], order[below(static_cast<std::uint32_t>(i), drawn)]); }
    return order;
  }

 private:
  struct Words {
    std::uint32_t word[4];
  };

  /// Two words as a number in [0, 1).
  ACCRETE_HD static constexpr double between(std::uint32_t first, std::uint32_t second) {
    return static_cast<double>(static_cast<std::int64_t>(std::uint64_t{first >> 5U} << 26U | std::uint64_t{second >> 6U})) * 0x1p-53;
  }

  ACCRETE_HD static constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
  ACCRETE_HD static constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32U); }

  [[nodiscard]] ACCRETE_HD constexpr Words words(std::uint64_t block) const {
    Words four{{low(block), high(block), stream_[2], stream_[3]}};
    Philox4x32::mix(four.word, stream_[0], stream_[1]);
    return four;
  }

  static std::pair<float, float> normal_pair(std::uint32_t first, std::uint32_t second) {
    // In double, so that the rounding of the machine's log and cos disappears in the float result.
    double const radius = std::sqrt(-2.0 * std::log((first + 0.5) * 0x1p-32));
    double const angle = 6.283185307179586476925 * ((second + 0.5) * 0x1p-32);
    return {static_cast<float>(radius * std::cos(angle)), static_cast<float>(radius * std::sin(angle))};
  }

  [[nodiscard]] constexpr std::uint32_t below(std::uint32_t bound, std::uint64_t& drawn) const {
    std::uint32_t const rejected = static_cast<std::uint32_t>(-bound) % bound;  // 2^32 mod bound
    while (true) {
      std::uint64_t const scaled = std::uint64_t{word(drawn++)} * bound;
      if (low(scaled) >= rejected) { return high(scaled); }
    }
  }

  std::uint32_t stream_[4] = {};  // the key, then the upper half of every counter
};

}  // namespace accrete
