#!/bin/sh
# Installs what is missing, builds everything and runs every test. Works from any directory and is quick when repeated.
#
#   sh tests/run.sh [options of ctest]
#
#   ACCRETE_QUICK=1   the test programs only: no sanitizers, no build without oneDNN, no nvcc, no linters, no strangers, no fuzzers
#   ACCRETE_JOBS=N    number of parallel jobs; all processors when not set
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/cmake/packages.sh"
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1  # what was compiled in one clone serves the next
need_packages g++ cmake ninja-build ccache \
  libeigen3-dev libxtensor-dev libdnnl-dev libthrust-dev nlohmann-json3-dev libcli11-dev libjpeg-dev libpng-dev zlib1g-dev \
  doctest-dev libbenchmark-dev dataset-fashion-mnist clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14

# A CUDA toolkit that nobody put on the path still serves to compile the device kernels.
if ! command -v nvcc >/dev/null 2>&1 && [ -x /usr/local/cuda/bin/nvcc ]; then
  PATH="$PATH:/usr/local/cuda/bin"
  export PATH
fi

jobs=${ACCRETE_JOBS:-$(nproc)}
export CMAKE_BUILD_PARALLEL_LEVEL="$jobs"
cd "$root"
cmake --preset dev
cmake --build --preset dev
if [ -n "${ACCRETE_QUICK:-}" ]; then
  set -- --label-exclude slow "$@"
fi
exec ctest --preset dev --parallel "$jobs" "$@"
