#!/bin/sh
# Shows the main job from nothing: installs what is missing, builds the tool `accrete`, lets the shipped vision transformer learn
# Fashion-MNIST class by class and says where the result lies. Works from any directory and is quick when repeated.
#
#   sh examples/demo.sh [options of `accrete run`, such as --method simplecil]
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/cmake/packages.sh"
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1  # what was compiled in one clone serves the next
need_packages g++ cmake ninja-build ccache \
  libeigen3-dev libxtensor-dev libdnnl-dev nlohmann-json3-dev libcli11-dev libjpeg-dev libpng-dev zlib1g-dev dataset-fashion-mnist

build="$root/build/release"
(cd "$root" && cmake --preset release --log-level=WARNING)
cmake --build "$build" --target accrete_tool --parallel "${ACCRETE_JOBS:-$(nproc)}"

out="$root/build/demo"
"$build/bin/accrete" run --out "$out" --cache "$root/build/demo-features" "$@"
echo
echo "The figures:   $out/result.json"
echo "The model:     $out/model.safetensors"
echo "Next:          $build/bin/accrete predict $out/model.safetensors IMAGE..."
