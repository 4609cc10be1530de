#!/usr/bin/env bash
# Builds Dockerfiles with the product, and pulls from a real registry, in real VMs: too long for `npm test`.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage='usage: npm run images

  Makes the system that builds Dockerfiles if it is not there yet, which downloads packages of Debian, and then
  builds, runs, repeats, breaks and interrupts builds with it. Then it pulls images from the registry that Debian
  packages (docker-registry, which it unpacks and does not install), to which skopeo has pushed them.'

case ${1:-} in
  '') ;;
  --help) printf '%s\n' "$usage" && exit ;;
  *) printf '%s\n' "$usage" >&2 && exit 2 ;;
esac

bash "$root/scripts/setup.sh" tests
cd -- "$root"
"$node" "${node_flags[@]}" scripts/build.ts
exec "$node" "${node_flags[@]}" --test --test-reporter=spec test/images/*.test.ts
