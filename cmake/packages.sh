# Sourced by tests/run.sh and examples/demo.sh (POSIX sh).

# need_packages NAME...: installs the Debian packages that are missing, as root or through sudo; says nothing when none is.
need_packages() {
  if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "accrete: this is no Debian-like system; what is needed here goes by these names there: $*" >&2
    return 0
  fi
  missing=
  for package in "$@"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) || status=
    [ "$status" = "install ok installed" ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0

  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "accrete: please install as root:$missing" >&2
      return 1
    fi
    as_root=sudo
  fi
  echo "accrete: installing$missing"
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  # shellcheck disable=SC2086  # one word per package
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}
