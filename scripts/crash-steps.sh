#!/usr/bin/env bash
# Interrupts what VMs go through at every step, with real VMs. `crash-steps.sh --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tests
cd -- "$root"
exec "$node" "${node_flags[@]}" test/crash-steps/main.ts "$@"
