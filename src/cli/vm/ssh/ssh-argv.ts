import { shellWord } from '../../../base/text/shell-word.ts';
import type { SshAccess } from '../../../protocol/api/vm-requests.ts';

/** What {@link sshArgv} needs. */
export interface SshCall {
  access: SshAccess;
  /** our own program and its first arguments */
  ownArgv: readonly string[];
  /** the connection ends when this process exits */
  ownerPid: number;
  /** line for the shell of the guest's user; absent: a login shell */
  line?: string | undefined;
  /** gives the line a terminal, if this side has one */
  hasTerminal: boolean;
}

/**
 * Returns the argument vector of ssh(1) for a login to a guest. ssh reads none of the user's own
 * configuration, which was not written for an untrusted guest: it may forward the user's agent, or offer
 * their keys.
 */
export function sshArgv({ access, ownArgv, ownerPid, line, hasTerminal }: SshCall): [string, ...string[]] {
  const { vm, user, port, identityFile, knownHostsFile, hostKeyAlias } = access;
  const proxy = [...ownArgv, '__ssh-proxy', vm.id, String(port), String(ownerPid)].map(shellWord).join(' ');
  const options: Readonly<Record<string, string>> = {
    ProxyCommand: proxy.replaceAll('%', '%%'),
    IdentityFile: quoted(identityFile),
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    PreferredAuthentications: 'publickey',
    // The default of newer versions is slow in an emulated guest. It protects against recorded traffic, and
    // this traffic never leaves the host.
    KexAlgorithms: '^curve25519-sha256',
    HostKeyAlias: hostKeyAlias,
    // Accepts only the host key that banger made.
    HostKeyAlgorithms: 'ssh-ed25519',
    UserKnownHostsFile: quoted(knownHostsFile),
    GlobalKnownHostsFile: 'none',
    StrictHostKeyChecking: 'yes',
    UpdateHostKeys: 'no',
    CheckHostIP: 'no',
  };
  return [
    'ssh',
    '-F',
    'none',
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...(hasTerminal ? ['-t'] : []),
    `${user}@${vm.name}.vm`,
    ...(line === undefined ? [] : ['--', line]),
  ];
}

/** Quotes a path for ssh_config(5), where a blank ends it and a percent sign begins a token. */
function quoted(path: string): string {
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}
