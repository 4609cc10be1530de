import type { SshAccess } from '../../../protocol/api/vm-requests.ts';

/** What {@link sshArgv} is made of. */
export interface SshCall {
  access: SshAccess;
  /** our own program and its first arguments */
  ownArgv: readonly string[];
  /** process with which the connection ends */
  ownerPid: number;
  /** joined with blanks and read by the guest's shell, as ssh(1) does; none: a login shell */
  command: readonly string[];
  /** a terminal for the command, too */
  hasTerminal: boolean;
}

/**
 * The call of ssh(1) that logs in to a guest. Nothing of the user's own ssh configuration counts, for it was
 * not made for a guest that must not be trusted: it may forward their agent, or offer their keys.
 */
export function sshArgv({ access, ownArgv, ownerPid, command, hasTerminal }: SshCall): [string, ...string[]] {
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
    ...(command.length > 0 ? ['--', ...command] : []),
  ];
}

/** A word for the user's shell, which runs the proxy. */
function shellWord(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** A file's name in ssh_config(5), where a blank ends it and a percent sign begins a token. */
function quoted(path: string): string {
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}
