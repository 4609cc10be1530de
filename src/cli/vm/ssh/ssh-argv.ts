import { guestOptions } from '../../../config/ssh/guest-options.ts';
import { proxyCommand } from '../../../config/ssh/proxy-command.ts';
import type { SshAccess } from '../../../protocol/api/vm-requests.ts';
import { hostNameOf } from '../../../protocol/vm-domain.ts';

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
  const proxy = [...ownArgv, 'vm', 'proxy', vm.id, String(port), String(ownerPid)];
  const options: readonly (readonly [string, string])[] = [
    ['ProxyCommand', proxyCommand(proxy)],
    ...guestOptions({ identityFile, knownHostsFile }),
    ['IdentityAgent', 'none'],
    ['HostKeyAlias', hostKeyAlias],
  ];
  return [
    'ssh',
    '-F',
    'none',
    ...options.flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...(hasTerminal ? ['-t'] : []),
    `${user}@${hostNameOf(vm.name)}`,
    ...(line === undefined ? [] : ['--', line]),
  ];
}
