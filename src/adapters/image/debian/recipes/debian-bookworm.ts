import type { GuestArch } from '../../../../core/ports/images/guest-arch.ts';
import type { DebianRecipe, NpmProgram, OffUnit, RecipeFile } from '../recipe.ts';

/** The packages of a developer's machine, without recommended ones. */
const PACKAGES = [
  // The system. No libpam-systemd: a login would start a service manager of the user, which takes a second
  // under emulation.
  ...[
    'systemd',
    'systemd-sysv',
    'udev',
    'dbus',
    'kmod',
    'procps',
    'iproute2',
    'iputils-ping',
    'netbase',
    'tzdata',
  ],
  ...[
    'e2fsprogs',
    'ca-certificates',
    'openssh-server',
    'sudo',
    'less',
    'vim',
    'nano',
    'tmux',
    'bash-completion',
  ],
  // Work. docker.io uses iptables and apparmor_parser without depending on them.
  ...['git', 'curl', 'jq', 'ripgrep', 'rsync', 'unzip', 'xz-utils', 'zstd', 'build-essential', 'python3'],
  ...['docker.io', 'iptables', 'apparmor'],
] as const;

/** Each costs time at every boot, under emulation up to a second. */
const OFF_UNITS: readonly OffUnit[] = [
  { unit: 'docker.service', how: 'disable', why: 'docker.socket starts it when it is needed' },
  { unit: 'containerd.service', how: 'disable', why: 'docker.service starts it' },
  { unit: 'ssh.service', how: 'disable', why: 'ssh.socket starts one sshd for each connection' },
  { unit: 'dbus.service', how: 'unwant', why: 'dbus.socket starts it when it is needed' },
  {
    unit: 'systemd-logind.service',
    how: 'unwant',
    why: 'without libpam-systemd it knows no session; D-Bus starts it',
  },
  { unit: 'apparmor.service', how: 'disable', why: 'Docker loads the one profile that is used' },
  { unit: 'systemd-pstore.service', how: 'disable', why: 'no firmware keeps logs of crashes' },
  ...masked('its user updates a VM', 'apt-daily.timer', 'apt-daily-upgrade.timer'),
  ...masked('nobody would restore it', 'dpkg-db-backup.timer'),
  ...masked('for LVM', 'e2scrub_all.timer', 'e2scrub_reap.service'),
  ...masked('drives are sparse files that live shortly', 'fstrim.timer'),
  ...masked('nothing gets old here', 'systemd-tmpfiles-clean.timer'),
  ...masked('there is no screen', 'getty@tty1.service', 'getty-static.service'),
  ...masked(
    'nobody is asked for a password',
    'systemd-ask-password-console.path',
    'systemd-ask-password-wall.path',
  ),
  ...masked('root is mounted as it is to be', 'systemd-remount-fs.service'),
  ...masked('the agent brings entropy', 'systemd-random-seed.service'),
  ...masked('the journal is in memory', 'systemd-journal-flush.service', 'systemd-journald-audit.socket'),
  ...masked(
    'nobody reads who logged in',
    'systemd-update-utmp.service',
    'systemd-update-utmp-runlevel.service',
  ),
  ...masked('the only formats are those of Python', 'systemd-binfmt.service'),
  ...masked('partitions are not made at boot', 'systemd-repart.service'),
  ...masked('for old tools', 'systemd-initctl.socket'),
  // Each starts mount(8), and modprobe(8) for a module that is loaded on first use anyway.
  ...masked('mounted by whom it may concern', 'dev-hugepages.mount', 'sys-fs-fuse-connections.mount'),
  ...masked('mounted by whom it may concern', 'sys-kernel-config.mount', 'sys-kernel-debug.mount'),
  ...masked('mounted by whom it may concern', 'sys-kernel-tracing.mount'),
];

function masked(why: string, ...units: string[]): OffUnit[] {
  return units.map((unit) => ({ unit, how: 'mask', why }));
}

/** They look for partitions, encrypted volumes, pending updates and screens. */
const OFF_GENERATORS = [
  'systemd-cryptsetup-generator',
  'systemd-getty-generator',
  'systemd-gpt-auto-generator',
  'systemd-hibernate-resume-generator',
  'systemd-integritysetup-generator',
  'systemd-system-update-generator',
  'systemd-veritysetup-generator',
] as const;

/** The PATH of Debian's root. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const FILES: readonly RecipeFile[] = [
  { path: '/etc/hostname', content: 'debian\n' },
  {
    path: '/etc/hosts',
    content:
      '127.0.0.1\tlocalhost\n127.0.1.1\tdebian\n' +
      '::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n',
  },
  { path: '/etc/resolv.conf', content: '# There is no network until the VM is given one.\n' },
  { path: '/etc/fstab', content: '# Root and /root are mounted before systemd starts.\n' },
  { path: '/etc/default/locale', content: 'LANG=C.UTF-8\n' },
  { path: '/etc/motd', content: '' },
  { path: '/root/.hushlogin', content: '' },
  {
    path: '/etc/ssh/sshd_config.d/99-banger.conf',
    content: [
      'PermitRootLogin prohibit-password',
      'PubkeyAuthentication yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'AuthorizedKeysFile /root/.ssh/authorized_keys',
      'PrintMotd no',
      'PrintLastLog no',
      // A command over ssh gets no login shell. Only root can log in.
      `SetEnv PATH=/root/.local/share/mise/shims:/root/.local/bin:${SYSTEM_PATH}`,
      '',
    ].join('\n'),
  },
  {
    path: '/etc/systemd/journald.conf.d/banger.conf',
    content: '[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n',
  },
  {
    // A CPU's features name a dozen modules (kvm, ciphers), each checked and relocated at boot; who needs one
    // loads it.
    path: '/etc/udev/rules.d/79-banger.rules',
    content: 'SUBSYSTEM=="cpu", ENV{MODALIAS}=""\n',
  },
  { path: '/etc/docker/daemon.json', content: '{ "storage-driver": "overlay2" }\n' },
  {
    path: '/etc/profile.d/own-programs.sh',
    content: 'PATH="$HOME/.local/share/mise/shims:$HOME/.local/bin:$PATH"\n',
  },
];

/** Pinned, and verified against the registry's hash. */
function npmPrograms(arch: GuestArch): NpmProgram[] {
  const place = { pathInTarball: 'package/bin/mise', installPath: '/usr/local/bin/mise' };
  switch (arch) {
    case 'amd64':
      return [
        {
          ...place,
          package: '@jdxcode/mise-linux-x64@2026.9.15',
          integrity:
            'sha512-ButPFGyztN0Rk/HOHvHuf+W80CkvQRAjbDWHvhGJc3PnL3e2KhCYZIOyjx8wPkhr9VJa/7sJZXpxtt5JLjsfaQ==',
        },
      ];
    case 'arm64':
      return [
        {
          ...place,
          package: '@jdxcode/mise-linux-arm64@2026.8.6',
          integrity:
            'sha512-MOg3B92G0c1xu2wZX5wuJXSpNagxCu9HAv+tfDn+Rp9UF2sO1CVC7UAPOMcp49UNvcLqH9PeoPsMxIy0dC9FNQ==',
        },
      ];
  }
}

/** Debian 12 with the packages of a developer's machine; the default image. */
export const debianBookworm: DebianRecipe = {
  name: 'debian-bookworm',
  distro: 'debian',
  suite: 'bookworm',
  components: ['main'],
  packages: PACKAGES,
  kernelPackage: (arch) => `linux-image-cloud-${arch}`,
  npmPrograms,
  files: FILES,
  enabledUnits: ['docker.socket', 'ssh.socket'],
  offUnits: OFF_UNITS,
  offGenerators: OFF_GENERATORS,
  excludedPaths: [
    '/usr/share/doc/*',
    '/usr/share/man/*',
    '/usr/share/info/*',
    '/usr/share/locale/*',
    '/usr/share/lintian/*',
  ],
  includedPaths: ['/usr/share/doc/*/copyright', '/usr/share/locale/locale.alias'],
  removed: [
    // Empty lists; systemd skips empty ones.
    ...['etc/modules', 'etc/modules-load.d/modules.conf'],
    'dev/*',
    ...['etc/apt/apt.conf.d/99mmdebstrap', 'etc/dpkg/dpkg.cfg.d/99mmdebstrap'],
    'etc/ssh/ssh_host_*',
    ...['etc/passwd-', 'etc/shadow-', 'etc/group-', 'etc/gshadow-', 'etc/subuid-', 'etc/subgid-'],
    ...['root/.ssh', 'root/.cache', 'root/.local'],
    'run/*',
    'tmp/*',
    ...['usr/share/man/*', 'usr/share/info/*', 'usr/share/lintian', 'usr/share/locale/*/LC_MESSAGES'],
    ...['usr/share/doc/*/changelog*', 'usr/share/doc/*/NEWS*', 'usr/share/doc/*/README*'],
    'var/cache/apt/*.bin',
    'var/cache/debconf/*-old',
    'var/lib/dbus/machine-id',
    'var/lib/dpkg/*-old',
    'var/lib/systemd/random-seed',
    'var/log/*.log',
  ],
};
