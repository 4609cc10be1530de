import type { Abortable } from '../../../base/abort.ts';
import type { SshAccess } from '../../../protocol/api/vm-requests.ts';
import { noSsh, SSH_PORT } from '../../../protocol/no-ssh.ts';
import type { HostUser } from '../../ports/host-user.ts';
import { findRunningVm, type KnownVms } from '../find-vm.ts';
import type { LiveVms } from '../live-vms.ts';
import { askGuest } from './ask-guest.ts';
import { KnownHosts } from './known-hosts.ts';

/** What giving access by ssh works on. */
export interface SshWorld {
  records: KnownVms;
  live: Pick<LiveVms, 'agent' | 'get' | 'whySilent'>;
  hostUser: Pick<HostUser, 'loginKeyFile'>;
  knownHosts: Pick<KnownHosts, 'update'>;
}

/**
 * What OpenSSH needs to log in to a running guest as the VM's user: the user's key, and a known_hosts file
 * with this VM's host key. Sends nothing to the guest's sshd.
 *
 * @throws {AppError} GUEST_NO_SSH when nothing listens on port 22 of the guest; VM_NOT_FOUND, VM_NOT_RUNNING,
 * SSH_KEY_INVALID, HOST_SECRET_INVALID, VMM_HANGS, GUEST_*.
 */
export async function sshAccess(world: SshWorld, ref: string, { signal }: Abortable): Promise<SshAccess> {
  const { id, name, user = 'root' } = findRunningVm(world.records, ref);
  const ports = await askGuest(
    world,
    { id, name },
    {
      what: `log in to vm "${name}" with ssh`,
      signal,
      work: (agent, options) => agent.ports(options),
    },
  );
  if (!ports.some(({ proto, port }) => proto === 'tcp' && port === SSH_PORT)) {
    throw noSsh(name);
  }
  const [identityFile, knownHostsFile] = await Promise.all([
    world.hostUser.loginKeyFile(),
    world.knownHosts.update(),
  ]);
  const hostKeyAlias = KnownHosts.aliasOf(id);
  return { vm: { id, name }, user, port: SSH_PORT, identityFile, knownHostsFile, hostKeyAlias };
}
