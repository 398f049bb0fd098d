#pragma once

#include <accrete/core/tensor.hpp>

#include <cmath>
#include <optional>
#include <vector>

namespace accrete {

/// How the rows of a position table belong to the tokens.
struct PositionTable {
  Index outside = 0;  ///< rows in front that belong to no patch
  Index height = 0;   ///< patches; the grid the table was learned on
  Index width = 0;    ///< patches
};

/// What is known when a table's rows are to be told apart.
struct PositionClues {
  struct Grid {
    Index height = 0;  ///< patches; 0: not known
    Index width = 0;   ///< patches
  };

  Index rows = 0;                     ///< of the table
  Index prefix_tokens = 0;            ///< class token, distillation token, registers
  bool has_registers = false;         ///< beside a class token
  bool registers_as_in_timm = false;  ///< where published tables hold no row for the class token either
  Grid stated;                        ///< by the configuration
  Grid asked;                         ///< by the user
};

namespace detail {

/// How many rows in front may belong to no patch, likeliest first.
[[nodiscard]] inline std::vector<Index> rows_outside(PositionClues const& clues) {
  // Published networks with registers give them no position; all namings but timm's keep the class token's row apart.
  if (!clues.has_registers) { return {clues.prefix_tokens, 0}; }
  return clues.registers_as_in_timm ? std::vector<Index>{0, clues.prefix_tokens, 1} : std::vector<Index>{1, 0, clues.prefix_tokens};
}

[[nodiscard]] inline PositionClues::Grid square_grid(Index patches) {
  auto const root = static_cast<Index>(std::llround(std::sqrt(static_cast<double>(patches))));
  return root * root == patches ? PositionClues::Grid{root, root} : PositionClues::Grid{};
}

}  // namespace detail

/// Finds the grid a table was learned on: the configuration's if it fits, else a square, else the one asked for.
/// @returns nothing when no reading fits
[[nodiscard]] inline std::optional<PositionTable> find_position_table(PositionClues const& clues) {
  auto const outside = detail::rows_outside(clues);
  auto const exactly = [&](PositionClues::Grid grid) -> std::optional<PositionTable> {
    for (Index const front : outside) {
      Index const patches = clues.rows - front;
      if (grid.height > 0 && grid.width > 0 && patches % grid.width == 0 && patches / grid.width == grid.height) { return PositionTable{front, grid.height, grid.width}; }
    }
    return std::nullopt;
  };
  if (auto const table = exactly(clues.stated)) { return table; }
  for (Index const front : outside) {
    auto const grid = clues.rows > front ? detail::square_grid(clues.rows - front) : PositionClues::Grid{};
    if (grid.height > 0) { return PositionTable{front, grid.height, grid.width}; }
  }
  return exactly(clues.asked);
}

}  // namespace accrete
