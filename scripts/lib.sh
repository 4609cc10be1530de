# Shared by the scripts of this folder; sourced, never run.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
node="$root/node_modules/.bin/node"
# Those of src/config/node-flags.ts, which says why.
node_flags=(--no-concurrent-recompilation --no-concurrent-sparkplug)

say() { printf '==> %s\n' "$*" >&2; }

# die MESSAGE [HINT]
die() {
  printf 'error: %s\n' "$1" >&2
  if [ $# -gt 1 ]; then printf '  hint: %s\n' "$2" >&2; fi
  exit 1
}

# Folders that an ordinary user's PATH may lack, and where Debian keeps mkfs.ext4 and others.
has_tool() { PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }
