# What a user types on the first day, word for word, on the host that host.sh has made. Only the image of the
# container is another, because tests reach no registry; and root plays sudo.
set -euo pipefail

uid=4242
home=$(mktemp -d /tmp/desk-XXXXXX)
trap 'rm -rf "$home"' EXIT
# An ordinary user need not be able to read the folder of this checkout.
mkdir /mnt/checkout
mount --bind "$PWD" /mnt/checkout
echo "desk:x:$uid:$uid::$home:/bin/bash" >>/etc/passwd
mkdir -p "$home/.local/share"
bash test/e2e/support/share-image.sh "${XDG_DATA_HOME:-$HOME/.local/share}/banger" "$home/.local/share/banger" $uid
chown "$uid:$uid" "$home" "$home/.local" "$home/.local/share"
chmod 0755 "$home"

# as_user LINE: runs what this user types in a new terminal.
as_user() {
  echo "\$ $1" >&2
  setpriv --reuid=$uid --regid=$uid --clear-groups env -i HOME="$home" USER=desk LOGNAME=desk LANG=C.UTF-8 \
    SHELL=/bin/bash PATH=/mnt/checkout/bin:/usr/local/bin:/usr/bin:/bin bash -c "cd; $1"
}

# as_sudo ARGUMENTS...: `sudo banger ARGUMENTS...` of that user, and what that says to run then.
as_sudo() {
  echo "\$ sudo banger $*" >&2
  env SUDO_UID=$uid SUDO_GID=$uid SUDO_USER=desk /mnt/checkout/bin/banger "$@" | tee /run/printed
  sed -n 's/^then run: sudo //p' /run/printed | while read -r line; do sh -c "$line"; done
}

# until_true SECONDS LINE
until_true() {
  local attempt
  for attempt in $(seq "$1"); do
    if as_user "$2" 2>/dev/null; then return; fi
    sleep 1
  done
  as_user "$2" || { echo "FAIL: $2" >&2; exit 1; }
}

# As `banger doctor` says for ports as low as 80.
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
as_sudo dns install
as_user 'banger ssh-config --install'
as_user 'banger vm run --nat --name demo </dev/null'
as_user 'ssh demo.vm "cat >serve-hello.pl"' <test/support/container/serve-hello.pl
as_user 'ssh demo.vm sh' <test/support/container/make-image.sh
as_user 'ssh demo.vm docker run -d -p 80:80 hello'
until_true 60 'banger vm ports demo | grep "http://demo\.vm:80$"'
as_user 'banger vm ports demo'
page=$(as_user 'curl -sS http://demo.vm')
[ "$page" = hello ] || { echo "FAIL: http://demo.vm serves: $page" >&2; exit 1; }
as_user 'banger vm delete demo && banger daemon stop'
as_sudo dns uninstall
echo 'ok   the first day, up to curl http://demo.vm'
