#!/usr/bin/env bash
# Builds the guest agent for both architectures into agent/bin, static and reproducible. Does nothing when neither its sources nor the
# compiler have changed since the last time.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly out="$root/agent/bin"
readonly architectures='amd64 arm64'

version() { sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$root/package.json" | head -n1; }

# Hash of all that decides what the programs are.
inputs() {
  (
    cd "$root"
    version
    go env GOVERSION
    find agent scripts/build-agent.sh -path agent/bin -prune -o -name '*_test.go' -prune -o -type f -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum
  ) | sha256sum
}

is_fresh() {
  local arch
  [ "$(cat "$out/.inputs" 2>/dev/null)" = "$1" ] || return 1
  for arch in $architectures; do [ -x "$out/banger-agent-$arch" ] || return 1; done
}

# A running build of another process never sees half a program: each is made beside its place and renamed.
build() {
  local arch=$1 part
  part=$(mktemp "$out/.banger-agent-$arch.XXXXXX")
  if ! (cd "$root/agent" && CGO_ENABLED=0 GOOS=linux GOARCH=$arch GOTOOLCHAIN=local \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(version)" -o "$part" .); then
    rm -f "$part"
    die "Cannot build the guest agent for $arch, see above"
  fi
  chmod 755 "$part"
  mv -f "$part" "$out/banger-agent-$arch"
}

has_tool go || die 'Cannot build the guest agent: Go is not installed' 'install Go from your distribution or its makers'
mkdir -p "$out"
hash=$(inputs)
if is_fresh "$hash"; then exit 0; fi
say 'building the guest agent'
for arch in $architectures; do build "$arch"; done
printf '%s\n' "$hash" >"$out/.inputs"
