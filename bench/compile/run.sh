#!/bin/sh
# What it costs to compile against accrete: seconds and peak memory of an empty file, the umbrella, one learner, three learners
# and, where nvcc is, a file of device code. Prints a table for docs/compile_time.md. Works from any directory.
#
#   sh bench/compile/run.sh        CXX=clang++-14 sh bench/compile/run.sh
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/cmake/packages.sh"
need_packages time g++ libeigen3-dev libxtensor-dev nlohmann-json3-dev libjpeg-dev libpng-dev zlib1g-dev

compiler=${CXX:-g++}
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=c++20 -fopenmp -I$root/include -isystem /usr/include/eigen3"
if [ -e /usr/include/oneapi/dnnl/dnnl.hpp ]; then
  flags="$flags -DACCRETE_WITH_ONEDNN=1"
fi

# measure LABEL COMMAND...: the median seconds of three runs, and the largest peak memory
measure() {
  label=$1
  shift
  : >"$work/times"
  for repetition in 1 2 3; do
    env time -f '%e %M' -o "$work/time" "$@" -o "$work/object" >"$work/log" 2>&1 || {
      cat "$work/log" >&2
      exit 1
    }
    tail -n 1 "$work/time" >>"$work/times"
  done
  seconds=$(cut -d' ' -f1 "$work/times" | sort -n | sed -n 2p)
  kilobytes=$(cut -d' ' -f2 "$work/times" | sort -n | tail -n 1)
  printf '| %s | %s | %s |\n' "$label" "$seconds" "$((kilobytes / 1000))"
}

"$compiler" --version | head -n 1
printf '\n| what | seconds | peak MB |\n|---|---:|---:|\n'
# shellcheck disable=SC2086  # the flags are words
{
  measure 'an empty file, -O0' "$compiler" $flags -O0 -c "$root/bench/compile/empty.cpp"
  measure '`accrete/accrete.hpp`, -O0' "$compiler" $flags -O0 -c "$root/bench/compile/umbrella.cpp"
  measure 'one learner, -O2' "$compiler" $flags -O2 -c "$root/bench/compile/learner.cpp"
  measure 'three learners, -O2' "$compiler" $flags -O2 -c "$root/bench/compile/three_learners.cpp"
  if [ -x "$nvcc" ]; then
    measure 'device kernels, nvcc -O2' "$nvcc" -std=c++20 -arch=sm_80 -O2 -DEIGEN_NO_CUDA "-I$root/include" -isystem /usr/include/eigen3 -c "$root/bench/compile/device.cu"
  fi
}
