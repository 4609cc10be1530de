import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { abortable } from '../../../base/async.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { Slots } from '../../../base/slots.ts';
import { formatTime } from '../../../base/text/words.ts';
import type { Report } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { WorkspaceSource } from '../../ports/workspace.ts';
import type { WorkspacePulls } from '../../ports/workspace-pulls.ts';
import { purgeVm } from '../lifecycle/delete-vm.ts';
import type { UnrecordedVms, WarmStarts } from '../world.ts';
import { isOwned } from './leftovers.ts';
import type { ReconcileWorld } from './reconcile.ts';
import { reconcileVm } from './reconcile.ts';

/** How many VMs are reconciled at once: each reads folders and the list of processes. */
const AT_ONCE = 8;

/** What a starting daemon works on. */
type TakeOverWorld = ReconcileWorld &
  Pick<WarmStarts, 'templates' | 'bases'> &
  Pick<UnrecordedVms, 'unrecorded'> & {
    workspaces: Pick<WorkspaceSource, 'sweep'>;
    pulls: Pick<WorkspacePulls, 'finishLeft'>;
  };

/** `ms` that a connection to a guest's port waits for a VM that is being taken over. */
export const CONNECTION_WAIT_MS = 20_000;

/**
 * Makes records and reality agree when a daemon starts: adopts running VMs, finishes or undoes what an
 * earlier daemon left half done, removes what has no record. Handles several VMs at once, each under its
 * lock, so that a request waits only for its own VM. Touches only the daemon's own folders and processes that
 * provably belong to its VMs. Logs what it cannot put right and leaves it to the next start.
 */
export class TakeOver {
  /** settles when everything is done, never rejects */
  readonly done: Promise<void>;
  readonly #world: TakeOverWorld;
  readonly #slots = new Slots(AT_ONCE);
  readonly #vms = new Map<string, Promise<void>>();
  #isUnderWay = true;

  private constructor(world: TakeOverWorld, folders: readonly string[], { signal }: Abortable) {
    this.#world = world;
    this.done = this.#run(folders, { signal }).finally(() => {
      this.#isUnderWay = false;
    });
  }

  /**
   * Begins. When it returns, it holds or waits first for the lock of every VM, so that no operation gets a VM
   * before it is taken over. An abort of `signal` leaves the rest to the next daemon.
   */
  static async begin(world: TakeOverWorld, options: Abortable): Promise<TakeOver> {
    const folders = await world.files.list();
    return new TakeOver(world, folders, options);
  }

  /** Whether something is left to do. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /**
   * Waits until the VM is taken over, if it is not yet.
   *
   * @throws {AppError} VM_BUSY after `deadlineMs`.
   */
  async wait(
    { id, name }: Pick<VmRecord, 'id' | 'name'>,
    { deadlineMs, report, signal }: Abortable & { deadlineMs: number; report?: Report },
  ): Promise<void> {
    const taking = this.#vms.get(id);
    if (!taking) return;
    report?.({ event: 'progress', stage: 'wait', detail: `"${name}" is being taken over by this daemon` });
    try {
      const what = 'the VM to be taken over';
      await withDeadline((inner) => abortable(taking, inner), { signal, deadlineMs, what });
    } catch (error) {
      if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
      const since = formatTime(this.#world.locks.holder(id)?.heldForMs ?? deadlineMs);
      throw new AppError(
        'VM_BUSY',
        `Cannot reach vm "${name}": its VMM does not answer the daemon that started ${since} ago`,
        {
          hint: `find out what blocks its VMM, or kill the VM: banger vm kill ${name}`,
          details: { vmId: id },
        },
      );
    }
  }

  async #run(folders: readonly string[], { signal }: Abortable): Promise<void> {
    const { records, files, templates, bases, workspaces, pulls, drivers, log } = this.#world;
    const all = records.list();
    const damaged = records.damaged();
    // Everything of such a VM stays, a running VMM included.
    for (const { id, name, problem } of damaged) {
      log.error('the record of a VM is damaged', { vmId: id, vm: name, problem });
    }
    const known = new Set([...all, ...damaged].map(({ id }) => id));
    const begun = [
      ...all.map((record) =>
        this.#begin(record.id, { signal }, (options) => reconcileVm(this.#world, record, options)),
      ),
      ...folders
        .filter((vmId) => !known.has(vmId))
        .map((vmId) => this.#begin(vmId, { signal }, () => this.#removeFolder(vmId))),
    ];
    await Promise.all(begun.map(({ quick }) => quick));
    try {
      if (!signal.aborted) {
        await files.sweep();
        // Only now: a VM that an earlier daemon wanted to save as a template may have written there until
        // here.
        await templates.sweep();
        await bases.sweep();
        await workspaces.sweep();
        await pulls.finishLeft({ signal });
        for (const driver of drivers) await driver.sweep();
      }
    } catch (error) {
      log.error('incomplete work could not be removed', { error });
    }
    await Promise.all(begun.map(({ done }) => done));
  }

  /** `quick` settles when the work is done or begins a wait that may take long; neither rejects. */
  #begin(
    vmId: string,
    { signal }: Abortable,
    work: (options: Abortable & { onWait: () => void; interrupted: AbortSignal }) => Promise<void>,
  ): { quick: Promise<void>; done: Promise<void> } {
    const { promise: quick, resolve: isQuick } = Promise.withResolvers<void>();
    const task = async (held: Abortable): Promise<void> => {
      using slot = await this.#slots.take({ signal });
      const onWait = (): void => {
        slot[Symbol.dispose]();
        isQuick();
      };
      await work({ signal, interrupted: held.signal, onWait });
    };
    const run = async (): Promise<void> => {
      try {
        await this.#world.locks.run(vmId, task, {
          action: 'adopt',
          waitMs: Number.POSITIVE_INFINITY,
          signal,
        });
      } catch (error) {
        if (!signal.aborted) this.#world.log.error('a VM could not be reconciled', { vmId, error });
      } finally {
        this.#vms.delete(vmId);
        isQuick();
      }
    };
    const done = run();
    this.#vms.set(vmId, done);
    return { quick, done };
  }

  async #removeFolder(vmId: string): Promise<void> {
    // A VM that was made meanwhile has a record, or is known as a pool VM.
    if (isOwned(this.#world, vmId)) return;
    this.#world.log.info('a folder without a record is removed', { vmId });
    await purgeVm(this.#world, vmId);
  }
}
