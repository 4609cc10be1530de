import { type Abortable, anySignal } from '../../base/abort.ts';
import { KeyedMutex } from '../../base/async.ts';
import { AppError } from '../../base/errors.ts';
import { formatTime } from '../../base/text/words.ts';
import type { Report } from '../../protocol/events.ts';

/** Operations on a VM under its lock, and how each is described to a user who waits for it. */
const ACTIONS = {
  create: 'being created',
  start: 'being started',
  stop: 'being stopped',
  kill: 'being killed',
  delete: 'being deleted',
  suspend: 'being suspended',
  fork: 'being forked',
  snapshot: 'being copied to a snapshot',
  restore: 'being restored from a snapshot',
  commit: 'being made an image of',
  change: 'being changed',
  rename: 'being renamed',
  settle: 'being synced to disk',
  adopt: 'being taken over by this daemon',
} as const;

/** An operation on a VM under its lock. */
export type LockAction = keyof typeof ACTIONS;

/** How a VM's lock is taken. */
export interface LockOptions extends Abortable {
  action: LockAction;
  /** `ms` to wait for the lock; default a minute, `Infinity` for work that no user waits for */
  waitMs?: number;
  /** whether {@link VmLocks.interrupt} ends this task or its wait; default true */
  isInterruptible?: boolean;
  /** receives who holds the lock, once the wait has lasted a moment */
  report?: Report | undefined;
}

/** The holder of a VM's lock. */
export interface LockHolder {
  action: LockAction;
  /** `being forked` */
  doing: string;
  heldForMs: number;
}

interface Entry {
  action: LockAction;
  isInterruptible: boolean;
  stop: AbortController;
  /** `performance.now()` when it got the lock; absent while it waits */
  begunAt?: number;
}

/** `ms` to wait for a lock: longer than a VM on a busy host takes to start or to sync. */
const WAIT_MS = 60_000;

/** `ms` to wait before reporting who holds the lock. */
const QUIET_WAIT_MS = 300;

/**
 * Runs one lifecycle operation at a time for each VM, in the order of their requests. A wait that times out
 * fails with the holder's name.
 */
export class VmLocks {
  readonly #mutex = new KeyedMutex();
  readonly #entries = new Map<string, Set<Entry>>();
  readonly #nameOf: (vmId: string) => string | undefined;

  constructor({ nameOf }: { nameOf: (vmId: string) => string | undefined }) {
    this.#nameOf = nameOf;
  }

  /**
   * Runs `task` when every earlier task of the VM has ended. Its signal aborts when `signal` does and when
   * {@link VmLocks.interrupt} is called; the task then undoes what it began, as after any abort. A task whose
   * signal aborts while it waits never starts.
   *
   * @throws {AppError} VM_BUSY, with the holder's name, when the lock is not free within `waitMs`; what
   * `task` throws.
   */
  async run<T>(vmId: string, task: (held: Abortable) => Promise<T>, options: LockOptions): Promise<T> {
    const { action, isInterruptible = true } = options;
    const entry: Entry = { action, isInterruptible, stop: new AbortController() };
    using held = anySignal(options.signal, entry.stop.signal);
    using waiting = this.#waiting(vmId, held.signal, options);
    const entries = this.#entries.get(vmId) ?? new Set();
    this.#entries.set(vmId, entries.add(entry));
    try {
      return await this.#mutex.run(
        vmId,
        async () => {
          waiting[Symbol.dispose]();
          entry.begunAt = performance.now();
          return await task({ signal: held.signal });
        },
        { signal: waiting.signal },
      );
    } finally {
      entries.delete(entry);
      if (entries.size === 0) this.#entries.delete(vmId);
    }
  }

  /** The present holder of the VM's lock. */
  holder(vmId: string): LockHolder | undefined {
    for (const { action, begunAt } of this.#entries.get(vmId) ?? []) {
      if (begunAt === undefined) continue;
      return { action, doing: ACTIONS[action], heldForMs: Math.round(performance.now() - begunAt) };
    }
    return undefined;
  }

  /**
   * Aborts the task that holds the VM's lock and those that wait for it, except uninterruptible ones and
   * `except`; does not wait. The lock is free once they have undone what they began. Returns whether there
   * was a task to interrupt.
   */
  interrupt(
    vmId: string,
    { reason, except = [] }: { reason: AppError; except?: readonly LockAction[] },
  ): boolean {
    const meant = [...(this.#entries.get(vmId) ?? [])].filter(
      ({ action, isInterruptible }) => isInterruptible && !except.includes(action),
    );
    for (const { stop } of meant) stop.abort(reason);
    return meant.length > 0;
  }

  /** The signal of a wait, which aborts at its deadline; reports the lock's holder. */
  #waiting(
    vmId: string,
    signal: AbortSignal,
    { action, waitMs = WAIT_MS, report }: LockOptions,
  ): Abortable & Disposable {
    const late = new AbortController();
    const inner = anySignal(signal, late.signal);
    const tell = setTimeout(() => {
      const holder = this.holder(vmId);
      if (holder) report?.({ event: 'progress', stage: 'wait', detail: `it is ${holder.doing}` });
    }, QUIET_WAIT_MS);
    const isBounded = Number.isFinite(waitMs);
    const deadline = isBounded
      ? setTimeout(() => late.abort(this.#busy(vmId, { action })), waitMs)
      : undefined;
    return {
      signal: inner.signal,
      [Symbol.dispose]: () => {
        clearTimeout(tell);
        clearTimeout(deadline);
        inner[Symbol.dispose]();
      },
    };
  }

  #busy(vmId: string, { action }: { action: LockAction }): AppError {
    const name = this.#nameOf(vmId) ?? vmId;
    const holder = this.holder(vmId);
    const state = holder
      ? `it is ${holder.doing}, for ${formatTime(holder.heldForMs)} so far`
      : 'others wait for it too';
    return new AppError('VM_BUSY', `Cannot ${action} vm "${name}": ${state}`, {
      hint: `wait until that has finished, or kill the VM: banger vm kill ${name}`,
      details: { vmId, ...(holder ? { heldBy: holder.action, heldForMs: holder.heldForMs } : {}) },
    });
  }
}
