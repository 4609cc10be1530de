#!/usr/bin/env bash
# The main job on a fresh clone: sets up, builds the default image once, and runs a command in a VM with this
# repository in it.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

bash "$root/scripts/setup.sh"
if ! "$root/bin/banger" image show debian-bookworm >/dev/null 2>&1; then
  say 'building the image debian-bookworm (once; a few minutes)'
  "$root/bin/banger" image build debian-bookworm
fi
say "bin/banger vm run --rm . -- sh -c 'git log -1; uname -a'"
cd -- "$root"
exec "$root/bin/banger" vm run --rm . -- sh -c 'git log -1; uname -a'
