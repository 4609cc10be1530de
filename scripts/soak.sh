#!/usr/bin/env bash
# Works with many VMs for a long time and counts what is left. `soak.sh --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tests
cd -- "$root"
exec "$node" "${node_flags[@]}" test/soak/main.ts "$@"
