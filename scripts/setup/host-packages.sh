# What banger needs from the host's package manager; sourced by setup.sh.

# One line a tool: the program, then its package for apt, dnf, pacman and zypper.
host_tools() {
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) die "Cannot set up on $(uname -m): banger runs on x86_64 and aarch64" ;;
  esac
  vmm_of "$(uname -m)"
  cat <<TABLE
qemu-img qemu-utils qemu-img qemu-img qemu-tools
mmdebstrap mmdebstrap mmdebstrap mmdebstrap mmdebstrap
mkfs.ext4 e2fsprogs e2fsprogs e2fsprogs e2fsprogs
newuidmap uidmap shadow-utils shadow shadow
unshare util-linux util-linux util-linux util-linux
flock util-linux util-linux-core util-linux util-linux
git git git git git
ssh-keygen openssh-client openssh openssh openssh-clients
tar tar tar tar tar
TABLE
}

# The line of the QEMU that runs guests of an architecture.
vmm_of() {
  case $1 in
    x86_64) printf 'qemu-system-x86_64 qemu-system-x86 qemu-system-x86-core qemu-system-x86 qemu-x86\n' ;;
    *) printf 'qemu-system-aarch64 qemu-system-arm qemu-system-aarch64-core qemu-system-aarch64 qemu-arm\n' ;;
  esac
}

# The same for what only tests use, the emulator of the other architecture's guests among it.
test_tools() {
  case $(uname -m) in
    x86_64) vmm_of aarch64 ;;
    *) vmm_of x86_64 ;;
  esac
  cat <<TABLE
cpio cpio cpio cpio cpio
ip iproute2 iproute iproute2 iproute2
ps procps procps-ng procps-ng procps
tmux tmux tmux tmux tmux
rsync rsync rsync rsync rsync
busybox busybox-static busybox busybox busybox-static
bindfs bindfs bindfs bindfs bindfs
git-lfs git-lfs git-lfs git-lfs git-lfs
zsh zsh zsh zsh zsh
fish fish fish fish fish
skopeo skopeo skopeo skopeo skopeo
TABLE
}

# missing_packages MANAGER TABLE...: packages of apt, dnf, pacman or zypper whose tools are missing, each
# once.
missing_packages() {
  local column table fields
  case $1 in apt) column=1 ;; dnf) column=2 ;; pacman) column=3 ;; zypper) column=4 ;; esac
  shift
  for table; do "$table"; done | while read -ra fields; do
    has_tool "${fields[0]}" || printf '%s\n' "${fields[$column]}"
  done | sort -u | tr '\n' ' '
}

package_manager() {
  local name
  for name in apt-get dnf pacman zypper; do
    if has_tool "$name"; then printf '%s\n' "${name%-get}"; return; fi
  done
  printf 'none\n'
}

install_command() {
  case $1 in
    apt) printf 'apt-get update && apt-get install -y --no-install-recommends' ;;
    dnf) printf 'dnf install -y' ;;
    pacman) printf 'pacman -S --needed --noconfirm' ;;
    zypper) printf 'zypper install -y' ;;
  esac
}

# How a command gets root: nothing for root, else sudo, which asks for a password only on a terminal.
become_root() {
  if [ "$(id -u)" = 0 ]; then return; fi
  has_tool sudo || return 1
  if sudo -n true >/dev/null 2>&1; then printf 'sudo -n\n'; return; fi
  [ -t 0 ] && [ -t 2 ] || return 1
  printf 'sudo\n'
}

# ensure_host_packages LOG TABLE...: installs what is missing, after saying what; does and says nothing when
# all is there.
ensure_host_packages() {
  local log=$1 manager packages install prefix
  shift
  manager=$(package_manager)
  packages=$(missing_packages "${manager/none/apt}" "$@")
  packages=${packages% }
  if [ -z "$packages" ]; then return; fi
  if [ "$manager" = none ]; then
    die "Cannot install $packages: no known package manager here" 'install them (these are Debian names) and try again'
  fi
  install="$(install_command "$manager") $packages"
  if ! prefix=$(become_root); then
    die "Cannot install $packages: that needs root, and sudo cannot be used here without a password" \
      "as root: $install"
  fi
  say "installing with $manager${prefix:+ (through sudo)}: $packages"
  # shellcheck disable=SC2086 -- the words of the prefix are meant to be split
  if ! $prefix env DEBIAN_FRONTEND=noninteractive sh -c "$(with_waiting "$install")" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "Cannot install $packages: $manager failed, see above and $log" "as root: $install"
  fi
  packages=$(missing_packages "$manager" "$@")
  if [ -n "$packages" ]; then die "Cannot continue: $manager succeeded, but ${packages% } still lacks its programs"; fi
}

# apt waits for another apt's lock instead of failing at once.
with_waiting() { printf '%s\n' "${1//apt-get /apt-get -q -o DPkg::Lock::Timeout=300 }"; }

# An ordinary user builds images in a user namespace of many ids, which root must have granted.
warn_about_subordinate_ids() {
  local user
  if [ "$(id -u)" = 0 ]; then return; fi
  user=$(id -un)
  if grep -qsE "^($user|$(id -u)):" /etc/subuid && grep -qsE "^($user|$(id -u)):" /etc/subgid; then return; fi
  say "$user has no subordinate user ids, so images cannot be built; as root:" \
    "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $user"
}
