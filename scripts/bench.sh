#!/usr/bin/env bash
# Measures what docs/performance.md promises, each beside its floor. `bench.sh --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh"
cd -- "$root"
# It slows the start of some Node versions by 40 ms, and nothing here talks TLS.
unset NODE_EXTRA_CA_CERTS
exec "$node" "${node_flags[@]}" bench/main.ts "$@"
