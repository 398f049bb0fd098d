#!/bin/sh
# format.sh CLANG_FORMAT         every file of ours looks as .clang-format says
# format.sh CLANG_FORMAT -i      makes it so
set -eu
cd "$(dirname -- "$0")/../.."
program=$1
shift
[ "$#" -gt 0 ] || set -- --dry-run -Werror
find include tests bench examples \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' \) -print0 | xargs -0 "$program" "$@"
