#!/bin/bash
# What systemctl does with the units of the resolvers, on a host without systemd.
set -euo pipefail

case "$*" in
  'restart systemd-resolved')
    rm -f /run/systemd/resolve/io.systemd.Resolve
    if [ -e /run/resolved.pid ]; then
      kill "$(cat /run/resolved.pid)" || true
      while [ -e "/proc/$(cat /run/resolved.pid)" ]; do sleep 0.1; done
    fi
    # Outside of the process group of this script, which ends with it.
    SYSTEMD_LOG_LEVEL=err setsid --fork sh -c 'echo $$ >/run/resolved.pid; exec /lib/systemd/systemd-resolved' \
      </dev/null >/dev/null 2>&1
    for _ in $(seq 300); do
      if [ -S /run/systemd/resolve/io.systemd.Resolve ]; then exit; fi
      sleep 0.1
    done
    exit 1
    ;;
  'reload NetworkManager')
    # ExecReload of its unit.
    busctl call org.freedesktop.NetworkManager /org/freedesktop/NetworkManager org.freedesktop.NetworkManager Reload u 0
    ;;
  *)
    echo "no unit for: $*" >&2
    exit 1
    ;;
esac
