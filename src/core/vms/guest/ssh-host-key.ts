import type { HostUser } from '../../ports/host-user.ts';
import { SSH_KEY_COMMENT, type SshKeyPair, sshKeyPair } from '../../rules/ssh-key.ts';

/**
 * The ssh host key of a VM's guest: constant for one VM, different for each VM.
 *
 * @throws {AppError} HOST_SECRET_INVALID.
 */
export async function sshHostKey(hostUser: Pick<HostUser, 'secret'>, vmId: string): Promise<SshKeyPair> {
  return sshKeyPair(await hostUser.secret(`ssh host key of ${vmId}`), SSH_KEY_COMMENT);
}
