#!/usr/bin/env bash
# long-test.sh NAME [OPTIONS]: runs test/NAME/main.ts, one of the tests that are too long, or need too much,
# for `npm test`. `long-test.sh NAME --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

name=$1
shift
bash "$root/scripts/setup.sh" tests
cd -- "$root"
exec "$node" "${node_flags[@]}" "test/$name/main.ts" "$@"
