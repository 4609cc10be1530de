import { type HostCheck, LOAD_KVM } from '../nested/host-checks.ts';
import { ON_HOST } from '../nested/host-drive.ts';

const DEADLINE_MS = 15 * 60_000;
const SMALL = '--vcpu 1 --memory 384 --disk-size 512M --system-overlay-size 512M';

/** As the owner, with a session's environment. */
const AS_OWNER =
  'as() { setpriv --reuid=1000 --regid=1000 --init-groups env -i HOME=/home/dev USER=dev PATH="$PATH" "$@"; }';
/** All that an install makes outside of the folders of VMs. The guest agent of this host has /run/banger. */
const MADE =
  '/etc/banger/install.toml /etc/systemd/system/bangerd* /usr/local/lib/banger-system* /run/banger/bangerd.sock /run/banger-root';
const BANGER = `${AS_OWNER}
banger=${ON_HOST.checkout}/bin/banger
said() { code=$?; [ $code = 0 ] || { journalctl -o cat -n 20 -u bangerd -u bangerd-root; tail -n 5 /var/lib/banger/bangerd.log; ls -la /run/banger; }; exit $code; }
trap said EXIT`;

/** Fails, and names them, when some of these paths exist. */
function absent(paths: string): string {
  return `for path in ${paths}; do if test -e "$path"; then echo "left: $path"; exit 1; fi; done`;
}

/** Checks of `banger system`, in this order, in a host with systemd. */
export const SYSTEM_CHECKS: readonly HostCheck[] = [
  LOAD_KVM,
  {
    name: 'the host gets an owner, and the stores of images on its large drive',
    script: [
      'until systemctl is-system-running | grep -Eq "running|degraded"; do sleep 1; done',
      'id dev 2>/dev/null || useradd --create-home --shell /bin/bash dev; id -u dev; chmod 666 /dev/kvm',
      'mkdir -p /root/system-state /var/lib/banger; chmod 711 /root',
      'cp -a --link /root/.local/share/banger/. /root/system-state/',
      'mkdir -p /root/system-cache /var/cache/banger',
      'mountpoint -q /var/lib/banger || mount --bind /root/system-state /var/lib/banger',
      'mountpoint -q /var/cache/banger || mount --bind /root/system-cache /var/cache/banger',
    ].join('\n'),
    shows: /^1000$/m,
    isNeeded: true,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'an install without root changes nothing, and says which line does it',
    script: [
      BANGER,
      'as $banger system install --owner dev --dry-run',
      'as $banger system install --owner dev && exit 1',
      'as $banger system uninstall --dry-run && exit 1',
      'as $banger system install --owner nobody-here && exit 1',
      '$banger system install --owner root && exit 1',
      absent(MADE),
    ].join('\n'),
    shows: /would copy to \/usr\/local[\s\S]*KillMode=process[\s\S]*hint: sudo .*system install --owner dev/,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'an install makes both services, and repeating it changes nothing',
    script: [
      BANGER,
      '$banger system install --owner dev',
      'as $banger system status',
      'pid=$(systemctl show -p MainPID --value bangerd.service)',
      'test "$(stat -c %u /proc/$pid)" = 1000',
      'stat -c "%a %U" /run/banger /run/banger/bangerd.sock /run/banger-root /run/banger-root/bangerd-root.sock',
      'as $banger daemon socket',
      'as $banger vm list',
      '$banger system install --owner dev',
      'useradd --create-home eve 2>/dev/null || true',
      '$banger system install --owner eve && exit 1',
      'echo "another user has a daemon of her own:"; as_eve() { setpriv --reuid=1001 --regid=1001 --clear-groups env -i HOME=/home/eve PATH="$PATH" "$@"; }',
      'as_eve $banger daemon socket; as_eve BANGER_MODE=system $banger vm list && exit 1',
      'grep -c ^owner_uid /etc/banger/install.toml',
    ].join('\n'),
    shows:
      /^active +active$[\s\S]*^helper_active +active$[\s\S]*^700 dev\n600 dev\n711 root\n600 dev\n\/run\/banger\/bangerd\.sock$[\s\S]*those of "dev"[\s\S]*of her own:\n\/home\/eve\/[\s\S]*no service of this host is for this user/m,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'the helper works behind its hardening, and refuses another user',
    script: [
      BANGER,
      `cat > /root/ask.cjs <<'END'`,
      'const [path, line] = process.argv.slice(2);',
      'const socket = require("node:net").connect(path, () => socket.write(line + "\\n"));',
      'socket.on("error", (error) => console.log(error.code));',
      'socket.on("data", (data) => process.stdout.write(data));',
      'END',
      'chmod 644 /root/ask.cjs; node=/usr/local/lib/banger-system/node/bin/node; at=/run/banger-root/bangerd-root.sock',
      'ask() { as $node /root/ask.cjs $at "{\\"version\\":1,\\"operation\\":\\"$1\\",\\"operation_id\\":\\"check\\",\\"params\\":$2}"; }',
      'ask bridge.ensure \'{"bridge":"br-fc","address":"172.30.0.1","prefix":24}\'',
      'ask tap.create \'{"tap":"bgr-0","bridge":"br-fc"}\'',
      'ask tap.assign \'{"tap":"bgr-0","address":"172.30.0.2"}\'',
      'ask nat.on \'{"tap":"bgr-0","address":"172.30.0.2"}\'',
      'ip -br link show; cat /proc/sys/net/ipv4/ip_forward',
      'ask nat.off \'{"tap":"bgr-0"}\'; ask tap.delete \'{"tap":"bgr-0"}\'; ask bridge.delete \'{"bridge":"br-fc"}\'',
      'ask tap.delete \'{"tap":"eth0"}\'',
      'setpriv --reuid=1001 --regid=1001 --clear-groups $node /root/ask.cjs $at "{}"',
      'test ! -e /sys/class/net/br-fc; journalctl -u bangerd-root.service -o cat | tail -8',
    ].join('\n'),
    shows:
      /bgr-0[\s\S]*BAD_REQUEST[\s\S]*EACCES[\s\S]*"operation":"nat.on","operation_id":"check","uid":1000/,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'VMs survive restarts, a second install and kills of both services',
    script: [
      BANGER,
      'printf \'accelerator = "kvm"\\n\' > /etc/banger/config.toml; $banger system restart',
      `as $banger vm show one >/dev/null 2>&1 || as $banger vm create --name one ${SMALL}`,
      // On a busy machine, a guest of an emulated host may not answer the new daemon in time.
      'boot() { for attempt in 1 2 3 4 5; do as $banger vm exec one -- cat /proc/sys/kernel/random/boot_id && return; sleep 5; done; return 1; }',
      'first=$(boot)',
      '$banger system restart; test "$(boot)" = "$first"; echo survives a restart',
      '$banger system install --owner dev; test "$(boot)" = "$first"; echo survives an install',
      'systemctl kill --kill-whom=main -s KILL bangerd.service bangerd-root.service',
      'as $banger vm list; test "$(boot)" = "$first"; echo survives kills',
      '$banger system uninstall && exit 1',
      '$banger daemon stop; as $banger system status; as $banger vm list && exit 1',
      '$banger system restart; test "$(boot)" = "$first"; echo survives a stop',
      'as $banger vm delete -f one',
    ].join('\n'),
    shows:
      /survives a restart[\s\S]*survives an install[\s\S]*survives kills[\s\S]*one still run[\s\S]*^active +inactive$[\s\S]*^helper_active +inactive$[\s\S]*system restart[\s\S]*survives a stop/m,
    deadlineMs: 30 * 60_000,
  },
  {
    name: 'files of others are refused, and an uninstall leaves nothing',
    script: [
      BANGER,
      'cp /etc/systemd/system/bangerd.service /root/kept; echo "[Unit]" > /etc/systemd/system/bangerd.service',
      '$banger system install --owner dev && exit 1; $banger system uninstall && exit 1',
      'cp /root/kept /etc/systemd/system/bangerd.service; systemctl daemon-reload',
      // What a daemon that has died could leave behind.
      'for line in \'"bridge.ensure","params":{"bridge":"br-fc","address":"172.30.0.1","prefix":24}\' \'"tap.create","params":{"tap":"bgr-0","bridge":"br-fc"}\'; do',
      '  as /usr/local/lib/banger-system/node/bin/node /root/ask.cjs /run/banger-root/bangerd-root.sock "{\\"version\\":1,\\"operation\\":$line}"',
      'done; ls /sys/class/net',
      '$banger system uninstall',
      'if test -e /sys/class/net/br-fc || test -e /sys/class/net/bgr-0; then exit 1; fi',
      absent(`${MADE} /usr/local/bin/banger`),
      'test -e /etc/banger/config.toml; test -d /var/lib/banger/images',
      'test -z "$(pgrep -u dev || true)"; test -z "$(systemctl list-units --all --plain -q "bangerd*")"',
      'as $banger daemon socket',
      'umount /var/lib/banger /var/cache/banger; $banger system install --owner dev',
      '$banger system uninstall --purge',
      absent(`${MADE} /usr/local/bin/banger /etc/banger /var/lib/banger /var/cache/banger`),
      'echo nothing is left',
    ].join('\n'),
    shows: /has not written it[\s\S]*^bgr-0$[\s\S]*\/home\/dev\/\.local\/state[\s\S]*nothing is left/m,
    deadlineMs: DEADLINE_MS,
  },
];
