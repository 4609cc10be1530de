import { withDeadline } from '../../../base/abort.ts';
import { isAppError, messageOf } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { VmLease } from '../../../sdk/lease.ts';
import type { WorkNews } from '../../../sdk/work.ts';
import type { CommandContext } from '../../context/context.ts';
import type { Guest } from './guest-facts.ts';

/** Time limit for deleting the VMs, in `ms`. After it, this side stops waiting and the daemon continues. */
const REMOVE_DEADLINE_MS = 30_000;

/** VMs of one image and shape. Disposing deletes them, and never throws: it warns when deleting fails. */
export interface Clones extends AsyncDisposable {
  vms: readonly Vm[];
  guests: readonly Guest[];
}

/**
 * Makes `count` VMs with the default image and shape at the same time. After a failure, cancellation or a
 * kill, none is left.
 *
 * @throws {AppError} the errors of making a VM.
 */
export async function makeClones(
  count: number,
  { client, context, label }: { client: BangerClient; context: CommandContext; label: string },
): Promise<Clones> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const leases: VmLease[] = [];
  const show = context.showNews(label);
  // Hides shape and notices, which would be shown once per VM.
  const onNews = (news: WorkNews): void => {
    if (news.event === 'progress') show(news);
  };
  const made = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      try {
        leases.push(await client.leaseVm({}, { signal, onNews }));
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }),
  );
  const dispose = async (): Promise<void> => {
    context.progress.step(label, 'deleting the clones');
    await Promise.all(leases.map((lease) => remove(lease, { client, context })));
  };
  if (made.some(({ status }) => status === 'rejected')) {
    await dispose();
    context.signal.throwIfAborted();
    // The first failure stopped the others.
    throw stop.signal.reason;
  }
  const vms = leases.map(({ vm }) => vm);
  return { vms, guests: vms.map(({ id, name }) => ({ client, id, name })), [Symbol.asyncDispose]: dispose };
}

async function remove(
  lease: VmLease,
  { client, context }: { client: BangerClient; context: CommandContext },
): Promise<void> {
  const { id, name } = lease.vm;
  try {
    await withDeadline(
      async (signal) => {
        for await (const _ of client.deleteVm(id, { signal }));
      },
      {
        signal: context.interrupts.giveUp,
        deadlineMs: REMOVE_DEADLINE_MS,
        what: `vm "${name}" to be deleted`,
      },
    );
  } catch (error) {
    if (isAppError(error, 'VM_NOT_FOUND')) return;
    context.warn(`vm "${name}" was not deleted: ${messageOf(error)}; delete it: banger vm delete ${name}`);
  } finally {
    await lease[Symbol.asyncDispose]();
  }
}
