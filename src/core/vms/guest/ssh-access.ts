import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { SshAccess } from '../../../protocol/api/vm-requests.ts';
import type { HostUser } from '../../ports/host-user.ts';
import type { VmFiles } from '../../ports/vm-files.ts';
import { findRunningVm, type KnownVms } from '../find-vm.ts';
import type { LiveVms } from '../live-vms.ts';
import { askGuest } from './ask-guest.ts';
import { sshHostKey } from './ssh-host-key.ts';

/** Where sshd listens; RFC 4253, section 4.1. */
const SSH_PORT = 22;

/** What giving access by ssh works on. */
export interface SshWorld {
  records: KnownVms;
  live: Pick<LiveVms, 'agent' | 'get' | 'whySilent'>;
  hostUser: Pick<HostUser, 'secret' | 'loginKeyFile'>;
  files: Pick<VmFiles, 'writeKnownHosts'>;
}

/**
 * What OpenSSH needs to log in to a running guest as root: the user's key, and a known_hosts file with this
 * VM's host key only. The file is deleted with the VM. Sends nothing to the guest's sshd.
 *
 * @throws {AppError} GUEST_NO_SSH when nothing listens on port 22 of the guest; VM_NOT_FOUND, VM_NOT_RUNNING,
 * SSH_KEY_INVALID, HOST_SECRET_INVALID, VMM_HANGS, GUEST_*.
 */
export async function sshAccess(world: SshWorld, ref: string, { signal }: Abortable): Promise<SshAccess> {
  const { id, name } = findRunningVm(world.records, ref);
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
    throw new AppError(
      'GUEST_NO_SSH',
      `Cannot log in to "${name}" with ssh: nothing listens on its port ${SSH_PORT}`,
      { hint: `banger vm exec ${name} -- sh` },
    );
  }
  const hostKeyAlias = `banger-${id}`;
  const { publicKey } = await sshHostKey(world.hostUser, id);
  const [identityFile, knownHostsFile] = await Promise.all([
    world.hostUser.loginKeyFile(),
    world.files.writeKnownHosts(id, `${hostKeyAlias} ${publicKey}`),
  ]);
  return { vm: { id, name }, user: 'root', port: SSH_PORT, identityFile, knownHostsFile, hostKeyAlias };
}
