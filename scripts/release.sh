#!/usr/bin/env bash
# Builds the packages of a release from the commit that is checked out. `release.sh --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tools
bash "$root/scripts/build-go.sh" >&2
exec "$node" "${node_flags[@]}" "$root/scripts/release.ts" "$@"
