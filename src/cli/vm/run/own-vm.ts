import { withDeadline } from '../../../base/abort.ts';
import { isAppError, messageOf } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { VmLease } from '../../../sdk/lease.ts';
import type { CommandContext } from '../../context/context.ts';
import type { RunPlan } from './plan.ts';

/** Time limit for deleting the VM, in `ms`. After it, this side stops waiting and the daemon continues. */
const REMOVE_DEADLINE_MS = 10_000;

/** Label of progress steps. */
const LABEL = 'vm create';

/**
 * A new VM. Disposing deletes it if it was made with `--rm`, and never throws: it warns when deleting fails.
 */
export interface OwnedVm extends AsyncDisposable {
  readonly vm: Vm;
  /** the VM has been deleted */
  readonly isDeleted: boolean;
  /** Keeps the VM, also with `--rm`. Warns when that fails. */
  keep(): Promise<void>;
}

/** Makes the VM of a `vm run`. After a failure or cancellation, nothing of it is left. */
export async function makeVm(
  plan: RunPlan,
  { client, context, packId }: { client: BangerClient; context: CommandContext; packId: string | undefined },
): Promise<OwnedVm> {
  const { signal } = context;
  const request = { ...plan.request, ...(packId === undefined ? {} : { packId }) };
  if (!plan.isRemoved) {
    const vm = await context.follow(client.createVm(request, { signal }), LABEL);
    return { vm, isDeleted: false, keep: async () => {}, [Symbol.asyncDispose]: async () => {} };
  }
  const lease = await client.leaseVm(request, { signal, onNews: context.showNews(LABEL) });
  let isDeleted = false;
  let isKept = false;
  return {
    vm: lease.vm,
    get isDeleted() {
      return isDeleted;
    },
    async keep() {
      isKept = await keep(lease, context);
    },
    async [Symbol.asyncDispose]() {
      if (isKept) await lease[Symbol.asyncDispose]();
      else isDeleted = await remove(lease, context);
    },
  };
}

/** Makes the VM outlive its lease. Returns whether it does. */
async function keep({ vm }: VmLease, context: CommandContext): Promise<boolean> {
  try {
    await withDeadline(
      async (signal) => {
        const client = await context.client({ signal });
        await context.follow(client.keepVm(vm.id, { signal }), 'vm run');
      },
      {
        signal: context.interrupts.giveUp,
        deadlineMs: REMOVE_DEADLINE_MS,
        what: `vm "${vm.name}" to be kept`,
      },
    );
    return true;
  } catch (error) {
    context.warn(`vm "${vm.name}" cannot be kept: ${messageOf(error)}`);
    return false;
  }
}

/**
 * Deletes the VM and waits until it is deleted. Closing the lease would delete it too, but then nothing would
 * wait for it or report a failure.
 */
async function remove(lease: VmLease, context: CommandContext): Promise<boolean> {
  const { name, id } = lease.vm;
  context.progress.step('vm run', `deleting ${name}`);
  try {
    await withDeadline(
      async (signal) => {
        // Gets a new client, because the daemon may have been replaced meanwhile.
        const client = await context.client({ signal });
        context.spans.begin('delete');
        await context.follow(client.deleteVm(id, { signal }), 'vm run');
      },
      {
        signal: context.interrupts.giveUp,
        deadlineMs: REMOVE_DEADLINE_MS,
        what: `vm "${name}" to be deleted`,
      },
    );
    return true;
  } catch (error) {
    if (isAppError(error, 'VM_NOT_FOUND')) return true;
    context.warn(
      `--rm cleanup failed: ${messageOf(error)} (leaked vm "${name}"; delete manually: banger vm delete ${name})`,
    );
    return false;
  } finally {
    await lease[Symbol.asyncDispose]();
    context.progress.clear();
  }
}
