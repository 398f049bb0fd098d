#!/bin/sh
# tidy.sh CLANG_TIDY FLAGS: the linter over all headers, seen through the umbrellas.
set -eu
# shellcheck disable=SC2046  # one flag a line
"$1" --quiet --warnings-as-errors='*' tests/odr.cpp -- $(cat "$2")
