import { DAEMON_MALLOC, DAEMON_NODE_FLAGS } from '../../config/daemon-process.ts';
import { SYSTEM, SYSTEM_MARK } from '../../config/system-install.ts';
import type { Owner } from './owner.ts';

/** What the units need to know. */
export interface UnitFacts {
  owner: Owner;
  /** Go's name of this host's architecture */
  arch: string;
}

/** The content of each unit, by its file name. */
export function unitTexts(facts: UnitFacts): ReadonlyMap<string, string> {
  return new Map([
    [SYSTEM.helperSocketUnit, helperSocket(facts)],
    [SYSTEM.helperUnit, helperService(facts)],
    [SYSTEM.daemonUnit, daemonService(facts)],
  ]);
}

/** systemd creates the socket, so that it is the owner's before anything can connect. */
function helperSocket({ owner }: UnitFacts): string {
  return unitText({
    Unit: [`Description=banger: socket of the helper of ${owner.name}`],
    Socket: [
      `ListenStream=${SYSTEM.helperSocket}`,
      `SocketUser=${owner.uid}`,
      'SocketMode=0600',
      'DirectoryMode=0711',
      'Backlog=64',
      'RemoveOnStop=yes',
    ],
    Install: ['WantedBy=sockets.target'],
  });
}

function helperService({ owner, arch }: UnitFacts): string {
  return unitText({
    Unit: [
      `Description=banger: helper of ${owner.name}`,
      `Requires=${SYSTEM.helperSocketUnit}`,
      `After=${SYSTEM.helperSocketUnit}`,
    ],
    Service: [
      `ExecStart=${SYSTEM.tree}/root/bin/bangerd-root-${arch} --owner ${owner.uid}`,
      'Restart=on-failure',
      // Nothing that it has started ends with it.
      'KillMode=process',
      'SendSIGKILL=no',
      'CapabilityBoundingSet=CAP_NET_ADMIN',
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'ProtectHome=yes',
      'PrivateTmp=yes',
      'ProtectClock=yes',
      'ProtectControlGroups=yes',
      'ProtectHostname=yes',
      'ProtectKernelLogs=yes',
      'RestrictSUIDSGID=yes',
      'RestrictNamespaces=yes',
      'RestrictRealtime=yes',
      'RestrictAddressFamilies=AF_UNIX AF_NETLINK',
      'LockPersonality=yes',
      'MemoryDenyWriteExecute=yes',
      'SystemCallArchitectures=native',
      'SystemCallFilter=@system-service',
      'SystemCallFilter=~@privileged @resources',
      'SystemCallErrorNumber=EPERM',
      'DevicePolicy=closed',
      'DeviceAllow=/dev/net/tun rw',
      'UMask=0077',
      'MemoryMax=128M',
      'TasksMax=64',
    ],
    Install: [],
  });
}

/**
 * `NoNewPrivileges`, and every setting that implies it for a service of a user, are absent: an image build
 * needs newuidmap, which is setuid.
 */
function daemonService({ owner }: UnitFacts): string {
  const program = [`${SYSTEM.tree}/node/bin/node`, ...DAEMON_NODE_FLAGS, `${SYSTEM.tree}/dist/bangerd.cjs`];
  return unitText({
    Unit: [
      `Description=banger: VMs of ${owner.name}`,
      `Wants=${SYSTEM.helperSocketUnit}`,
      `After=${SYSTEM.helperSocketUnit} network.target`,
    ],
    Service: [
      `User=${owner.name}`,
      `ExecStart=${program.join(' ')}`,
      ...Object.entries(DAEMON_MALLOC).map(([name, value]) => `Environment=${name}=${value}`),
      'Restart=always',
      'RestartSec=1',
      // The daemon ends so when everything is closed.
      'SuccessExitStatus=SIGKILL',
      // VMs outlive the daemon, and so do their sockets.
      'KillMode=process',
      'RuntimeDirectory=banger',
      'RuntimeDirectoryMode=0700',
      'RuntimeDirectoryPreserve=yes',
      'StateDirectory=banger',
      'StateDirectoryMode=0700',
      'CacheDirectory=banger',
      'CacheDirectoryMode=0700',
      'ProtectSystem=strict',
      `ReadWritePaths=${escaped(`-${owner.home}`)} /tmp /var/tmp`,
      'OOMPolicy=continue',
      'TasksMax=infinity',
    ],
    Install: ['WantedBy=multi-user.target'],
  });
}

/** The file that says whom the install serves. */
export function installText(
  { owner }: UnitFacts,
  { version, commit, builtAt, now }: { version: string; commit: string; builtAt: string; now: Date },
): string {
  return [
    SYSTEM_MARK,
    `owner = "${owner.name}"`,
    `owner_uid = ${owner.uid}`,
    `owner_gid = ${owner.gid}`,
    `owner_home = ${JSON.stringify(owner.home)}`,
    `version = "${version}"`,
    `commit = "${commit}"`,
    `built_at = "${builtAt}"`,
    `installed_at = "${now.toISOString()}"`,
    '',
  ].join('\n');
}

function unitText(sections: Readonly<Record<string, readonly string[]>>): string {
  const parts = Object.entries(sections)
    .filter(([, lines]) => lines.length > 0)
    .map(([name, lines]) => [`[${name}]`, ...lines, ''].join('\n'));
  return `${SYSTEM_MARK}\n\n${parts.join('\n')}`;
}

/** A word as systemd reads it (systemd.syntax(7)): `%` begins a specifier, and blanks separate words. */
function escaped(word: string): string {
  const text = word.replaceAll('%', '%%');
  return /[\s"'\\]/.test(text) ? JSON.stringify(text) : text;
}
