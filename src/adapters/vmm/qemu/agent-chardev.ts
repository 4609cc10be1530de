import type { Abortable } from '../../../base/abort.ts';
import { invariant } from '../../../base/errors.ts';
import type { QmpClient } from './qmp/qmp-client.ts';

/**
 * QEMU's description of the agent's port (`ChardevInfo` of its QMP schema): which file or socket the host's
 * end is, and whether the guest has opened its end.
 */
export async function agentChardev(
  qmp: QmpClient,
  options: Abortable,
): Promise<{ label?: unknown; filename?: unknown; 'frontend-open'?: unknown }> {
  const devices = await qmp.execute('query-chardev', {}, options);
  invariant(Array.isArray(devices), 'QEMU lists its character devices');
  return (devices as { label?: unknown }[]).find(({ label }) => label === 'agent') ?? {};
}
