import type { Abortable } from '../../../base/abort.ts';
import type { OutsideContent } from '../../ports/host-user.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { TRUST_VARIABLES } from '../../rules/guest-trust.ts';

/**
 * What a guest gets of the network around the host, with the placeholders of its secrets, and with the
 * authority by which its network stands for their servers.
 *
 * @throws {AppError} as `RunningVm.networkState`.
 */
export async function withSecrets(
  outside: OutsideContent,
  { network }: Pick<VmRecord, 'network'>,
  { running, signal }: Abortable & { running: Pick<RunningVm, 'networkState'> },
): Promise<OutsideContent> {
  const { mode, secrets = [] } = network;
  if (mode === 'none' || secrets.length === 0) return outside;
  const authority = (await running.networkState({ signal }))?.authority;
  if (!authority) return outside;
  const placeholders = Object.fromEntries(secrets.map(({ name, placeholder }) => [name, placeholder]));
  return {
    ...outside,
    environment: { ...outside.environment, ...TRUST_VARIABLES, ...placeholders },
    authorities: [...outside.authorities, authority],
  };
}
