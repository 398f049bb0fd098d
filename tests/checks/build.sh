#!/bin/sh
# build.sh PRESET TARGET...: parts of the project built another way; `tested` targets also run the test programs that changed since
# they passed last.
set -eu
preset=$1
shift
cmake --preset "$preset"
cmake --build --preset "$preset" --target "$@"
