#!/bin/sh
# Ours beside PyTorch, OpenVINO and ONNX Runtime, in one run on this machine:
#
#   sh bench/peers/run.sh [features|ranpac|cifar|train_step|methods|prompt_methods|mixture_methods] [options of that script]   alone: features, then ranpac
#
# PEERS_VENV   the virtual environment, made on first use   (build/peers-venv)
# PEERS_BUILD  the build folder of our own programs         (build/release; configured first if it is not there)
#
# PyPI's torch for Linux brings CUDA along, some gigabytes of it. Set PIP_INDEX_URL or PIP_FIND_LINKS for a smaller one.
set -eu
cd "$(dirname "$0")/../.."
venv=${PEERS_VENV:-build/peers-venv}
build=${PEERS_BUILD:-build/release}
requirements=bench/peers/requirements.txt

build_ours() {
  [ -f "$build/CMakeCache.txt" ] || cmake --preset release -B "$build"
  cmake --build "$build" --target "$1"
}

run() {
  name=$1
  shift
  case " $* " in
    *" --without-ours "* | *" --help "*) ;;
    *)
      case $name in
        features) build_ours accrete_bench_features ;;
        ranpac) build_ours accrete_bench_ranpac ;;
        train_step) build_ours accrete_bench_training ;;
      esac
      ;;
  esac
  case $name in
    cifar | methods | prompt_methods | mixture_methods) "$venv/bin/python" "bench/peers/$name.py" "$@" ;;
    *) "$venv/bin/python" "bench/peers/$name.py" --build "$build" "$@" ;;
  esac
}

case ${1:-} in
  "" | features | ranpac | cifar | train_step | methods | prompt_methods | mixture_methods) ;;
  *)
    echo "usage: sh bench/peers/run.sh [features|ranpac|cifar|train_step|methods|prompt_methods|mixture_methods] [options]" >&2
    exit 2
    ;;
esac

if ! cmp -s "$requirements" "$venv/installed.txt"; then
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet -r "$requirements"
  cp "$requirements" "$venv/installed.txt"
fi

if [ $# -eq 0 ]; then
  run features
  run ranpac
else
  run "$@"
fi
