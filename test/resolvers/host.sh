# Makes a host with one resolver in the namespaces that it runs in, and then runs the check there.
# usage: host.sh KIND TREE NODE
set -euo pipefail
kind=$1 tree=$2 node=$3

ip link set lo up
mount -t tmpfs none /mnt
mkdir /mnt/{etc,etc-work,var,var-work}
mount -t overlay none -o "lowerdir=$tree/usr:/usr" /usr
mount -t overlay none -o "lowerdir=$tree/etc:/etc,upperdir=/mnt/etc,workdir=/mnt/etc-work" /etc
mount -t overlay none -o lowerdir=/var,upperdir=/mnt/var,workdir=/mnt/var-work /var
mount -t tmpfs none /run
mkdir -p /run/bin /run/dbus /run/NetworkManager /run/systemd/resolve/netif /var/lib/NetworkManager
cp test/resolvers/systemctl.sh /run/bin/systemctl
chmod +x /run/bin/systemctl
export PATH="/run/bin:$PATH"
rm -f /etc/resolv.conf
for user in systemd-resolve systemd-network dnsmasq; do
  grep -q "^$user:" /etc/passwd || echo "$user:x:99${#user}:65534::/:/bin/false" >>/etc/passwd
done

case $kind in
  systemd-resolved | demo)
    # As Debian's package does.
    sed -i 's/^hosts:.*/hosts: files resolve [!UNAVAIL=return] dns/' /etc/nsswitch.conf
    ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
    ip link add net0 type veth peer name net1
    ip link set net1 up
    ip address add 192.0.2.53/24 dev net0
    ip link set net0 up
    # The servers of a connection, as NetworkManager tells them.
    printf 'SERVERS=192.0.2.53\nDEFAULT_ROUTE=yes\n' >"/run/systemd/resolve/netif/$(ip -o link show net0 | cut -d: -f1)"
    chown -R systemd-resolve: /run/systemd/resolve
    dbus-daemon --system --fork --nopidfile
    systemctl restart systemd-resolved
    ;;
  networkmanager)
    sed -i 's/^hosts:.*/hosts: files dns/' /etc/nsswitch.conf
    mkdir -p /etc/NetworkManager/conf.d /etc/NetworkManager/dnsmasq.d
    printf '[main]\ndns=dnsmasq\nplugins=keyfile\nauth-polkit=false\n' >/etc/NetworkManager/conf.d/dns.conf
    dbus-daemon --system --fork --nopidfile
    NetworkManager --no-daemon --log-level=ERR &
    for _ in $(seq 60); do
      nmcli general status >/dev/null 2>&1 && break
      sleep 0.5
    done
    nmcli connection add type bridge bridge.stp no ifname net0 con-name net0 ipv4.method manual \
      ipv4.addresses 192.0.2.53/24 ipv4.gateway 192.0.2.1 ipv4.dns 192.0.2.53 ipv6.method disabled >/dev/null
    nmcli connection up net0 >/dev/null
    ;;
esac

# The DNS server of the network: it knows one name, and says of all others that they do not exist.
dnsmasq --conf-file=/dev/null --pid-file=/run/network-dns.pid --user=root --bind-interfaces \
  --listen-address=192.0.2.53 --no-resolv --no-hosts --host-record=known.test,192.0.2.7 --local=/test/ --local=/vm/
if [ "$kind" = demo ]; then
  bash test/resolvers/demo.sh
else
  "$node" test/resolvers/check.ts "$kind"
fi
