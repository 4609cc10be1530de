#!/usr/bin/env bash
# Builds our Go programs for both architectures, static and reproducible: banger-agent into agent/bin,
# banger-host into host/bin, bangerd-root into root/bin. Does nothing for a program when neither its sources
# nor the compiler have changed since the last time.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly architectures='amd64 arm64'

# The program of the module in folder $1.
program() { if [ "$1" = root ]; then echo bangerd-root; else echo "banger-$1"; fi; }

version() { sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$root/package.json" | head -n1; }

# Hash of all that decides what the programs of the module in folder $1 are.
inputs() {
  (
    cd "$root"
    version
    go env GOVERSION
    find "$1" scripts/build-go.sh -path "$1/bin" -prune -o -name '*_test.go' -prune -o -type f -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum
  ) | sha256sum
}

is_fresh() {
  local folder=$1 arch
  [ "$(cat "$root/$folder/bin/.inputs" 2>/dev/null)" = "$2" ] || return 1
  for arch in $architectures; do [ -x "$root/$folder/bin/$(program "$folder")-$arch" ] || return 1; done
}

# A running build of another process never sees half a program: each is made beside its place and renamed.
build() {
  local folder=$1 arch=$2 out="$root/$1/bin" name part
  name=$(program "$folder")
  part=$(mktemp "$out/.$name-$arch.XXXXXX")
  if ! (cd "$root/$folder" && CGO_ENABLED=0 GOOS=linux GOARCH=$arch GOTOOLCHAIN=local \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(version)" -o "$part" .); then
    rm -f "$part"
    die "Cannot build $name for $arch, see above"
  fi
  chmod 755 "$part"
  mv -f "$part" "$out/$name-$arch"
}

ensure() {
  local folder=$1 hash arch
  mkdir -p "$root/$folder/bin"
  hash=$(inputs "$folder")
  if is_fresh "$folder" "$hash"; then return; fi
  say "building $(program "$folder")"
  for arch in $architectures; do build "$folder" "$arch"; done
  printf '%s\n' "$hash" >"$root/$folder/bin/.inputs"
}

has_tool go || die 'Cannot build our Go programs: Go is not installed' 'install Go from your distribution or its makers'
for folder in agent host root; do ensure "$folder"; done
