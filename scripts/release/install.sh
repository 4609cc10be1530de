#!/bin/sh
# Installs banger @VERSION@ on Linux. Downloads a release, checks its signature before anything of it is
# unpacked, and puts it into a folder of its own. Run it as yourself: it says what it does with sudo, and
# asks. `install.sh --help` shows the options.
set -eu

base_url='@BASE_URL@'
version='@VERSION@'
public_keys='@PUBLIC_KEYS@'
# How many of them must have signed the release.
threshold='@THRESHOLD@'

is_user=
is_yes=

usage() {
  cat <<USAGE
usage: install.sh [--user] [--yes] [--version vX.Y.Z]

  --user     installs below ~/.local, without root
  --yes      does not ask
  --version  another release than $version
USAGE
}

die() {
  printf 'error: %s\n' "$1" >&2
  if [ $# -gt 1 ]; then printf '  hint: %s\n' "$2" >&2; fi
  exit "${3:-1}"
}

while [ $# -gt 0 ]; do
  case $1 in
    --user) is_user=1 ;;
    --yes | -y) is_yes=1 ;;
    --version)
      [ $# -gt 1 ] || die '--version needs a value, such as v1.2.3' '' 2
      version=$2
      shift
      ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      usage >&2
      die "unknown option \"$1\"" 'use one of those above' 2
      ;;
  esac
  shift
done

case $version in
  *[!v0-9.]* | '') die "--version \"$version\": it is vX.Y.Z" '' 2 ;;
  v[0-9]*.[0-9]*.[0-9]*) ;;
  *) die "--version \"$version\": it is vX.Y.Z" '' 2 ;;
esac
[ "$(uname -s)" = Linux ] || die "Cannot install banger on $(uname -s): it runs on Linux"
case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) die "Cannot install banger on $(uname -m): it runs on x86_64 and aarch64" ;;
esac

missing=
for tool in openssl sha256sum tar zstd base64; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
case $base_url in
  file://*) ;;
  *) command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1 || missing="$missing curl" ;;
esac
[ -z "$missing" ] || die "Cannot install banger: these programs are missing:$missing" \
  "install them with your package manager, on Debian: sudo apt-get install$missing"

if [ -n "$is_user" ]; then
  releases="${XDG_DATA_HOME:-$HOME/.local/share}/banger/releases"
  bin="$HOME/.local/bin"
else
  releases=/usr/local/lib/banger/releases
  bin=/usr/local/bin
fi
sudo=
if [ -z "$is_user" ] && [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 || die 'Cannot install for all users: you are not root, and there is no sudo' \
    'install for yourself: install.sh --user'
  sudo=sudo
fi

if [ -e "$bin/banger" ] && ! [ -L "$bin/banger" ]; then
  die "Cannot link $bin/banger: there is another file of that name" 'remove it, and run this again'
fi

name="banger-$version-linux-$arch"
target="$releases/$version"

printf 'This installs banger %s:\n' "$version"
printf '  %s\n' "download and check $name.tar.zst (from $base_url)"
printf '  %s\n' "${sudo:+with sudo: }unpack it into $target"
printf '  %s\n' "${sudo:+with sudo: }link $bin/banger to it"
if [ -z "$is_yes" ]; then
  # Standard input is this script when it comes through a pipe.
  if ! { : </dev/tty; } 2>/dev/null; then
    die 'Cannot ask for your consent: there is no terminal' 'give --yes'
  fi
  printf 'Continue? [y/N] ' >/dev/tty
  read -r answer </dev/tty
  case $answer in y | Y | yes) ;; *) die 'not installed, as you wished' ;; esac
fi

scratch=$(mktemp -d)
partial="$releases/.$version.$$"
cleanup() {
  rm -rf "$scratch"
  if [ -e "$partial" ]; then $sudo rm -rf "$partial"; fi
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# fetch FILE LIMIT: downloads a file of the release into the scratch folder; fails when it has more than LIMIT
# bytes.
fetch() {
  url="$base_url/$version/$1"
  case $url in
    file://*)
      cp -- "${url#file://}" "$scratch/$1" 2>/dev/null || die "Cannot find $url" 'is there such a release?'
      ;;
    *)
      if command -v curl >/dev/null 2>&1; then
        curl --proto '=https' -fsSL --max-filesize "$2" --retry 2 -o "$scratch/$1" "$url"
      else
        wget -q --https-only -O "$scratch/$1" "$url"
      fi || die "Cannot download $url, see above" 'is there such a release, and is the network up?'
      ;;
  esac
  [ "$(wc -c <"$scratch/$1")" -le "$2" ] || die "Cannot use $url: it is larger than $2 bytes"
}

fetch SHA256SUMS 16384
fetch SHA256SUMS.sig 1024
printf '%s\n' "$public_keys" | {
  count=0
  while read -r line; do
    case $line in *BEGIN*) count=$((count + 1)) ;; esac
    printf '%s\n' "$line" >>"$scratch/key.$count"
  done
}
signers=0
for key in "$scratch"/key.*; do
  # One signature on each line; the last line has no end.
  while read -r line || [ -n "$line" ]; do
    printf '%s' "$line" | base64 -d >"$scratch/signature" 2>/dev/null || continue
    if openssl dgst -sha256 -verify "$key" -signature "$scratch/signature" "$scratch/SHA256SUMS" >/dev/null 2>&1; then
      signers=$((signers + 1))
      break
    fi
  done <"$scratch/SHA256SUMS.sig"
done
[ "$signers" -ge "$threshold" ] ||
  die 'Cannot trust this release: the signature of SHA256SUMS is wrong' 'nothing was installed; tell the makers of banger'
fetch "$name.tar.zst" 268435456
grep "  $name.tar.zst\$" "$scratch/SHA256SUMS" >"$scratch/sum" ||
  die "Cannot install $name.tar.zst: SHA256SUMS does not name it"
(cd "$scratch" && sha256sum -c --status sum) ||
  die "Cannot trust $name.tar.zst: it does not have the checksum in SHA256SUMS" 'nothing was installed; try again, it may be damaged'

# What is signed was made by us; this keeps a mistake of ours from writing elsewhere.
zstd -dq --memory=512MB "$scratch/$name.tar.zst" -o "$scratch/release.tar" ||
  die "Cannot unpack $name.tar.zst: it is damaged"
tar -tvf "$scratch/release.tar" | grep -v '^[-d]' >&2 && die 'Cannot unpack the release: it has entries that are no files, see above'
tar -tf "$scratch/release.tar" | grep -v "^$name/" >&2 && die "Cannot unpack the release: it has entries outside of $name, see above"
tar -tf "$scratch/release.tar" | grep -E '(^|/)\.\.(/|$)' >&2 && die 'Cannot unpack the release: it has paths that lead outside, see above'

if [ -x "$target/bin/banger" ]; then
  printf 'banger %s is already unpacked in %s\n' "$version" "$target"
else
  $sudo mkdir -p "$partial"
  $sudo tar -xf "$scratch/release.tar" -C "$partial" --strip-components=1 --no-same-owner --no-same-permissions
  $sudo chmod 755 "$partial"
  reported=$("$partial/bin/banger" --version) || die "Cannot run the banger of this release on this machine, see above"
  case $reported in
    "banger $version "*) ;;
    *) die "Cannot install this release: its banger says that it is \"$reported\"" ;;
  esac
  $sudo mv -T "$partial" "$target"
fi
$sudo mkdir -p "$bin"
# By a rename, so that there is always one.
$sudo ln -sfn "$target/bin/banger" "$bin/.banger.$$"
$sudo mv -fT "$bin/.banger.$$" "$bin/banger"

printf 'banger %s is installed: %s\n' "$version" "$bin/banger"
case :$PATH: in
  *":$bin:"*) ;;
  *) printf 'note: %s is not in your PATH; add to ~/.profile: PATH="%s:$PATH"\n' "$bin" "$bin" ;;
esac
cat <<'NEXT'

Next:
  banger doctor                  check whether this host can run VMs
  banger image build             make the image that VMs boot, once
  banger vm run                  a fresh VM and a shell in it
  banger ssh-config --install    reach VMs as NAME.vm over ssh
  banger update --check          whether there is a newer release
NEXT
