#!/usr/bin/env bash
# The product on a host with KVM, which is a VM of ours. `nested.sh --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tests
cd -- "$root"
exec "$node" "${node_flags[@]}" test/nested/main.ts "$@"
