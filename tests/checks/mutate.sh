#!/bin/sh
# Shows that the tests can fail: breaks one line of a header after the other and looks whether the test that guards it goes red.
#
#   sh tests/checks/mutate.sh [WORD...]      all of tests/mutations/*.txt, or those whose list or title contains one of the words
#   sh tests/checks/mutate.sh --places       only whether every line that is to be broken is still there, once, and its test as well
#
# A list is made of blocks:
#
#   ## title: what is guarded, and by which rule of which specification
#   file  include/accrete/...          the header
#   from  text                         found in exactly one line of it, once
#   to    text                         what stands there instead
#   test  tests/....cpp  case*         the test source, and which of its cases must fail (doctest's filter)
#
# CXX, CXXFLAGS and MUTATE_LIBS say how a test is built; without them g++, with oneDNN.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
places=
[ "${1:-}" = --places ] && places=yes && shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0

wanted() { # WORDS... : whether the block at hand is asked for
  [ $# -eq 0 ] && return 0
  for word in "$@"; do
    case "$list $title" in *"$word"*) return 0 ;; esac
  done
  return 1
}

complain() {
  failed=$((failed + 1))
  echo "FAILED  $list: $title: $1"
}

places_of() { # FILE: how often `from` is in it
  FROM=$from awk 'BEGIN { from = ENVIRON["FROM"] } { rest = $0; while ((at = index(rest, from)) > 0) { n++; rest = substr(rest, at + length(from)) } } END { print n + 0 }' "$1"
}

build() { # FOLDER-OF-BROKEN-HEADERS: the test at hand, to $work/test
  # shellcheck disable=SC2086  # flags are several words
  ${CXX:-g++} -std=c++20 -w ${CXXFLAGS:--O1 -fopenmp -march=native -DACCRETE_WITH_ONEDNN=1} -I"$1" -Itests -Iinclude -isystem /usr/include/eigen3 \
    -DACCRETE_GOLDEN_DIR="\"$root/tests/golden\"" -DACCRETE_SHARED_DIR="\"$root/../shared\"" \
    -DACCRETE_SHIPPED_WEIGHTS="\"$root/examples/weights/vit_cifar_patch4_32.safetensors\"" \
    "$test" "$work/main.o" -o "$work/test" ${MUTATE_LIBS:--ldnnl -ljpeg -lpng -lz} >"$work/build.log" 2>&1
}

# Whether the case is there and passes, once for every test; what was built unbroken is kept for its other cases.
is_green() {
  grep -qxF "$test $case" "$work/green" 2>/dev/null && return 0
  unbroken=$work/unbroken/$test
  if [ ! -x "$unbroken" ]; then
    build "$work/nothing" || { complain "the test does not build unbroken: $(grep -m 1 error "$work/build.log")"; return 1; }
    mkdir -p "$(dirname "$unbroken")"
    mv "$work/test" "$unbroken"
  fi
  "$unbroken" -tc="$case" >"$work/run.log" 2>&1 || { complain "the test fails unbroken"; return 1; }
  grep -Eq 'test cases: +[1-9]' "$work/run.log" || { complain "there is no case of that name"; return 1; }
  echo "$test $case" >>"$work/green"
}

run() {
  mkdir -p "$work/broken/$(dirname "${file#include/}")"
  FROM=$from TO=$to awk 'BEGIN { from = ENVIRON["FROM"]; to = ENVIRON["TO"] } { at = index($0, from); if (at > 0) print substr($0, 1, at - 1) to substr($0, at + length(from)); else print }' \
    "$file" >"$work/broken/${file#include/}"
  if ! is_green; then
    :
  elif ! build "$work/broken"; then
    complain "does not compile when broken: $(grep -m 1 error "$work/build.log")"
  else
    status=0
    timeout 600 "$work/test" -tc="$case" >"$work/run.log" 2>&1 || status=$?
    case $status in
      0) complain "the test stays green" ;;
      124) complain "the test does not end" ;;
      *)
        passed=$((passed + 1))
        echo "red     $list: $title"
        ;;
    esac
  fi
  rm -rf "$work/broken"
}

block() {
  if [ -z "$file" ] || [ -z "$from" ] || [ -z "$test" ] || [ -z "$case" ]; then
    complain "file, from and test must be named"
  elif [ ! -f "$file" ] || [ "$(places_of "$file")" != 1 ]; then
    complain "$file must hold the text once: $from"
  elif [ ! -f "$test" ] || ! grep -qF -- "${case%%\**}" "$test"; then
    complain "$test has no case $case"
  elif [ -n "$places" ]; then
    passed=$((passed + 1))
  else
    run
  fi
}

mkdir "$work/nothing"
[ -n "$places" ] || ${CXX:-g++} -std=c++20 -w -c tests/support/main.cpp -o "$work/main.o"
for path in tests/mutations/*.txt; do
  list=$(basename "$path" .txt)
  title=
  file=
  { cat "$path"; echo '## end'; } >"$work/list"
  while IFS= read -r line <&3; do
    case $line in
      '## '*)
        if [ -n "$title" ] && wanted "$@"; then block; fi
        title=${line#\#\# }
        file=
        from=
        to=
        test=
        case=
        ;;
      'file  '*) file=${line#file  } ;;
      'from  '*) from=${line#from  } ;;
      'to    '*) to=${line#to    } ;;
      'test  '*)
        test=${line#test  }
        case=${test#*  }
        test=${test%%  *}
        ;;
    esac
  done 3<"$work/list"
done
if [ -n "$places" ]; then echo "$passed places found, $failed not"; else echo "$passed went red, $failed did not"; fi
[ "$failed" -eq 0 ]
