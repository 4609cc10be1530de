#!/usr/bin/env bash
# Records the terminal session that README.md shows, in real VMs.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage='usage: npm run record-session [-- --draw]

  Runs a few commands with a daemon of its own, and writes what a terminal shows to assets/session.cast
  (asciicast v2) and assets/session.svg. With --draw it only draws assets/session.svg again.'

case ${1:-} in
  '' | --draw) ;;
  --help) printf '%s\n' "$usage" && exit ;;
  *) printf '%s\n' "$usage" >&2 && exit 2 ;;
esac

bash "$root/scripts/setup.sh"
cd -- "$root"
unset NODE_EXTRA_CA_CERTS
exec "$node" "${node_flags[@]}" scripts/record-session.ts "$@"
