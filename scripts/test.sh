#!/usr/bin/env bash
# All checks and tests; `test.sh STAGE...` or `test.sh FILE...` runs some. `test.sh --help` lists the stages.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tests
cd -- "$root"
exec "$node" "${node_flags[@]}" scripts/test.ts "$@"
