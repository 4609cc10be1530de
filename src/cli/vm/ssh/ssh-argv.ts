import { shellWord } from '../../../base/text/shell-word.ts';
import type { SshAccess } from '../../../protocol/api/vm-requests.ts';

/** What {@link sshArgv} is made of. */
export interface SshCall {
  access: SshAccess;
  /** our own program and its first arguments */
  ownArgv: readonly string[];
  /** process with which the connection ends */
  ownerPid: number;
  /** line for the shell of the guest's user; without one that shell is a login shell */
  line?: string | undefined;
  /** the line gets a terminal, when this side has one */
  hasTerminal: boolean;
}

/**
 * Returns the call of ssh(1) that logs in to a guest. ssh reads nothing of the user's own configuration,
 * which was not written for a guest that must not be trusted: it may forward the user's agent, or offer their
 * keys.
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
    // The default of newer versions takes an emulated guest long, and protects against who records the
    // traffic, which never leaves this host.
    KexAlgorithms: '^curve25519-sha256',
    HostKeyAlias: hostKeyAlias,
    // The one that the host has made.
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

/** A file's name in ssh_config(5), where a blank ends it and a percent sign begins a token. */
function quoted(path: string): string {
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}
