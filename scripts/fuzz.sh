#!/usr/bin/env bash
# Gives everything that reads untrusted bytes from the network very many cases: DNS queries, requests to the
# web gateway, and what guests answer. `fuzz.sh --help` shows the options.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage='usage: npm run fuzz -- [--cases 1000000] [--seed random]

  --cases  how many cases each property gets
  --seed   a number repeats the cases of another run; random looks for new ones

Exit status 1 when a property fails; its report has the case and the seed.'

cases=1000000 seed=random
while [ $# -gt 0 ]; do
  case $1 in
    --cases) cases=${2:?"$usage"} && shift 2 ;;
    --seed) seed=${2:?"$usage"} && shift 2 ;;
    --help) printf '%s\n' "$usage" && exit ;;
    *) printf '%s\n' "$usage" >&2 && exit 2 ;;
  esac
done

bash "$root/scripts/setup.sh" tests
cd -- "$root"
# Those whose number of cases can be set.
mapfile -t files < <(grep -rl --include='*.test.ts' 'support/fuzz-runs.ts' src test)
say "$cases cases for each property of: ${files[*]}"
BANGER_FUZZ_RUNS=$cases BANGER_TEST_SEED=$seed exec "$node" "${node_flags[@]}" --test --test-reporter=spec \
  --import ./scripts/test/property-seed.ts "${files[@]}"
