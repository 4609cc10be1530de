#!/usr/bin/env bash
# Brings a checkout to the point where bin/banger works: host packages, npm packages with Node 24, the Go
# programs, the bundles. What is already there is not done again. `setup.sh tools` leaves host packages and
# builds out; `setup.sh tests` also installs what only tests use.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
. "$root/scripts/setup/host-packages.sh"

readonly stamp="$root/node_modules/.banger-lock-hash"

ensure_npm_packages() {
  local hash
  hash=$(sha256sum <"$root/package-lock.json")
  if [ -x "$node" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then return; fi
  has_tool npm || die 'Cannot install the npm packages: npm is not installed' 'install Node.js with npm, any version from 18 on'
  # Somebody ran npm themselves: nothing to do when what they have is what the lock says.
  if ! [ -x "$node" ] || ! (cd "$root" && npm ls --all >/dev/null 2>&1); then
    say 'installing npm packages'
    # The node that runs npm must not be the one that npm is about to replace.
    if ! (cd "$root" && PATH=$(path_without_checkout) npm ci --ignore-scripts --loglevel=error >&2); then
      die 'Cannot install the npm packages, see above'
    fi
  fi
  [ -x "$node" ] || die "Cannot find Node 24: there is no node-linux package for $(uname -m)"
  printf '%s\n' "$hash" >"$stamp"
}

path_without_checkout() {
  local part kept=
  local IFS=:
  for part in $PATH; do
    [ "$part" = "$root/node_modules/.bin" ] || kept=$kept${kept:+:}$part
  done
  printf '%s\n' "$kept"
}

check_node() {
  "$node" -e 'process.exit(process.versions.node.split(".")[0] >= 24 ? 0 : 1)' 2>/dev/null ||
    die "Cannot run $node: it is no Node 24" 'remove node_modules and try again'
}

check_go() {
  local module needed version
  has_tool go || die 'Cannot build our Go programs: Go is not installed' 'install Go from your distribution or its makers'
  version=$(go env GOVERSION)
  version=${version#go}
  for module in agent host root; do
    needed=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' "$root/$module/go.mod")
    if [ "$(printf '%s\n%s\n' "$needed" "$version" | sort -V | head -n1)" != "$needed" ]; then
      die "Cannot build our Go programs: Go is $version, and $module/go.mod needs $needed"
    fi
  done
}

readonly extent=${1:-all}
mkdir -p "$root/.cache"
case $extent in
  all) ensure_host_packages "$root/.cache/packages.log" host_tools ;;
  tests) ensure_host_packages "$root/.cache/packages.log" host_tools test_tools ;;
esac
# Two setups at once do the work once.
exec 9>"$root/.cache/setup.lock"
if has_tool flock; then flock 9; fi
ensure_npm_packages
if [ "$extent" = tools ]; then exit 0; fi
warn_about_subordinate_ids
check_go
bash "$root/scripts/build-go.sh" >&2
"$node" "${node_flags[@]}" "$root/scripts/build.ts"
