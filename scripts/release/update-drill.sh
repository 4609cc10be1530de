#!/usr/bin/env bash
# Updates between releases that are made from this commit, with a VM that keeps running. `--help` says more.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

usage='usage: npm run update-drill

Makes releases of the sources as they are now, signs them with a key of its own, serves them on a port of this
host, installs the oldest with install.sh --user into a folder of its own, and updates it while a VM runs:
what is refused, what succeeds, what is rolled back, and what is killed halfway. As root it also tries an
install for all users, in a mount namespace. Takes some minutes.

With BANGER_DRILL_RELEASES=FOLDER it keeps the releases in that folder, and takes those that are there.'

case ${1:-} in
  '') ;;
  --help) printf '%s\n' "$usage" && exit ;;
  *) printf '%s\n' "$usage" >&2 && exit 2 ;;
esac

bash "$root/scripts/setup.sh" tests
cd -- "$root"
exec "$node" "${node_flags[@]}" --test --test-reporter=spec test/update-drill/update.test.ts
