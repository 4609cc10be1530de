#!/usr/bin/env bash
# Names of VMs with the resolvers of Debian. `resolvers.sh --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tests
cd -- "$root"
exec "$node" "${node_flags[@]}" test/resolvers/main.ts "$@"
