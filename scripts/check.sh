#!/usr/bin/env bash
# Format, lint, types, boundaries, unused code, texts, generated docs, Go and shell; `check.sh NAME...` runs
# some of them.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tools
cd -- "$root"
exec "$node" "${node_flags[@]}" scripts/check.ts "$@"
