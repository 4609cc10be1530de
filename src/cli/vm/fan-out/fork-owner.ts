import { neverAborts, withDeadline } from '../../../base/abort.ts';
import { invariant, isAppError, messageOf } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { Lease } from '../../../sdk/lease.ts';
import { resultOf, type WorkNews } from '../../../sdk/work.ts';
import type { CommandContext } from '../../context/context.ts';

/** Time limit for deleting one fork, in `ms`. After it, the end of the lease deletes it. */
const DELETE_DEADLINE_MS = 30_000;

/** What {@link ForkOwner} needs. */
export interface ForkOwnerParts {
  client: BangerClient;
  context: Pick<CommandContext, 'signal' | 'interrupts'>;
  /** shows a line of advice */
  notice: (text: string) => void;
}

/** How many copies, and who hears of their making; without `onNews`, only notices are shown. */
export interface TakeOptions {
  count: number;
  signal: AbortSignal;
  onNews?: (news: WorkNews) => void;
}

interface OwnedLease {
  lease: Lease<unknown>;
  /** ids of the forks that are neither deleted nor kept */
  ids: Set<string>;
}

/**
 * The forks of one command. They are deleted one by one when the command has done with them, all when this is
 * disposed of, and by the daemon when this process dies: each belongs to a lease.
 */
export class ForkOwner implements AsyncDisposable {
  readonly #parts: ForkOwnerParts;
  readonly #leases = new Map<string, OwnedLease>();
  readonly #names = new Map<string, string>();

  constructor(parts: ForkOwnerParts) {
    this.#parts = parts;
  }

  /** Copies a running VM `count` times, all as of one moment. Aborted: there is no copy. */
  async take(ref: string, { count, signal, onNews }: TakeOptions): Promise<[Vm, ...Vm[]]> {
    const { client, notice } = this.#parts;
    const notices = (news: WorkNews): void => {
      if (news.event === 'notice') notice(news.message);
    };
    const lease = await client.leaseForks(ref, { count }, { signal, onNews: onNews ?? notices });
    const [first, ...more] = lease.value.vms;
    invariant(first, 'a daemon makes the forks that it is asked for');
    const owned: OwnedLease = { lease, ids: new Set() };
    for (const { id, name } of [first, ...more]) {
      owned.ids.add(id);
      this.#leases.set(id, owned);
      this.#names.set(id, name);
    }
    return [first, ...more];
  }

  /** Deletes a fork. Never throws: a failure is a notice. Does nothing for one that is gone or kept. */
  async drop(id: string): Promise<void> {
    const owned = this.#leases.get(id);
    if (!owned) return;
    this.#leases.delete(id);
    const name = this.#names.get(id) ?? id;
    const { client, context, notice } = this.#parts;
    try {
      await withDeadline((signal) => resultOf(client.deleteVm(id, { signal })), {
        signal: context.interrupts.giveUp,
        deadlineMs: DELETE_DEADLINE_MS,
        what: `vm "${name}" to be deleted`,
      });
    } catch (error) {
      if (!isAppError(error, 'VM_NOT_FOUND'))
        notice(`vm "${name}" is not deleted: ${messageOf(error)}; banger vm delete ${name}`);
    }
    await this.#forget(owned, id);
  }

  /** Makes a fork outlive this command. Returns whether it does; a failure is a notice. */
  async keep(id: string): Promise<boolean> {
    const owned = this.#leases.get(id);
    if (!owned) return false;
    const { client, notice } = this.#parts;
    try {
      await resultOf(client.keepVm(id, { signal: neverAborts() }));
    } catch (error) {
      notice(`vm "${this.#names.get(id) ?? id}" cannot be kept: ${messageOf(error)}`);
      return false;
    }
    this.#leases.delete(id);
    await this.#forget(owned, id);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#leases.keys()].map((id) => this.drop(id)));
  }

  async #forget({ lease, ids }: OwnedLease, id: string): Promise<void> {
    ids.delete(id);
    if (ids.size === 0) await lease[Symbol.asyncDispose]();
  }
}
