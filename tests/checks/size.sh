#!/bin/sh
# size.sh PROGRAM: the stripped tool stays within 6 MB.
set -eu
limit=6000000
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$1"
size=$(wc -c <"$stripped")
echo "$1 stripped: $size bytes, limit $limit"
[ "$size" -le "$limit" ]
