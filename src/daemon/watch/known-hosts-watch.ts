import type { Logger } from '../../base/log.ts';
import type { KnownHosts } from '../../core/vms/guest/known-hosts.ts';
import type { ObservedRecords } from '../../core/vms/network/observed-records.ts';

/** What {@link watchKnownHosts} works on. */
export interface KnownHostsOptions {
  knownHosts: Pick<KnownHosts, 'update' | 'settled'>;
  records: Pick<ObservedRecords, 'listen'>;
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
  const update = async (): Promise<void> => {
    try {
      await knownHosts.update();
    } catch (error) {
      log.warn('the ssh host keys of the VMs could not be written', { error });
    }
  };
  const listening = records.listen(() => void update());
  await update();
  return {
    async [Symbol.asyncDispose]() {
      listening[Symbol.dispose]();
      await knownHosts.settled();
    },
  };
}
