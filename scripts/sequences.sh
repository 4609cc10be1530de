#!/usr/bin/env bash
# Random sequences of what can be done to VMs, against a model of what they must contain.
# `sequences.sh --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tests
cd -- "$root"
exec "$node" "${node_flags[@]}" test/sequences/main.ts "$@"
