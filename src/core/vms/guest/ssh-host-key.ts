import type { HostUser } from '../../ports/host-user.ts';
import { SSH_KEY_COMMENT, type SshKeyPair, sshKeyPair } from '../../rules/ssh-key.ts';

/**
 * The key by which a guest shows that it is this VM's: the same for every start of a VM, another for every
 * VM.
 *
 * @throws {AppError} HOST_SECRET_INVALID.
 */
export async function sshHostKey(hostUser: Pick<HostUser, 'secret'>, vmId: string): Promise<SshKeyPair> {
  return sshKeyPair(await hostUser.secret(`ssh host key of ${vmId}`), SSH_KEY_COMMENT);
}
