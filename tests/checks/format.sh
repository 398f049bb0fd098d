#!/bin/sh
# format.sh CLANG_FORMAT: every file of ours looks as .clang-format says.
set -eu
find include tests bench examples \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' \) -print0 | xargs -0 "$1" --dry-run -Werror
