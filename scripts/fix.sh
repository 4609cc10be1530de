#!/usr/bin/env bash
# Formats and repairs what can be repaired without thought: TypeScript and JSON by Biome, Go by gofmt,
# generated docs.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh" tools
cd -- "$root"
node_modules/@biomejs/cli-linux-*/biome check --write .
gofmt -w agent bench host root test
"$node" "${node_flags[@]}" scripts/generate-docs.ts
