import type { Logger } from '../../base/log.ts';
import type { KnownHosts } from '../../core/vms/guest/known-hosts.ts';
import type { ObservedRecords } from '../../core/vms/network/observed-records.ts';

/** What {@link watchKnownHosts} works on. */
export interface KnownHostsOptions {
  knownHosts: Pick<KnownHosts, 'update' | 'settled'>;
  records: Pick<ObservedRecords, 'get' | 'list' | 'listen'>;
  log: Logger;
}

/**
 * Brings the file of ssh host keys up to date, and keeps it so: a new name is there, and an old one gone, as
 * soon as its record has changed. A failure is only logged; the next change tries again. Disposing waits for
 * the last write.
 */
export async function watchKnownHosts({
  knownHosts,
  records,
  log,
}: KnownHostsOptions): Promise<AsyncDisposable> {
  const names = new Map(records.list().map(({ id, name }) => [id, name]));
  let isBehind = false;
  const update = async (): Promise<void> => {
    isBehind = false;
    try {
      await knownHosts.update();
    } catch (error) {
      isBehind = true;
      log.warn('the ssh host keys of the VMs could not be written', { error });
    }
  };
  const listening = records.listen((vmId) => {
    // Most changes are of a VM's state, and several in each start.
    const name = records.get(vmId)?.name;
    if (name === names.get(vmId) && !isBehind) return;
    if (name === undefined) names.delete(vmId);
    else names.set(vmId, name);
    void update();
  });
  await update();
  return {
    async [Symbol.asyncDispose]() {
      listening[Symbol.dispose]();
      await knownHosts.settled();
    },
  };
}
