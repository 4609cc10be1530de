import { messageOf } from '../../../base/errors.ts';
import type { LocalConnection, PortListeners } from '../../ports/loopback.ts';

/**
 * How many listeners of one VM may be opened at once, and per second in the long run: a guest that opens and
 * closes ports without end must not keep the daemon busy.
 */
const BURST = 256;
const PER_SECOND = 64;

/** `ms` after which a port that could not be had is tried again, and one that exceeds the limit. */
const RETRY_MS = 5_000;
const LATER_MS = 250;

/** What {@link VmListeners} needs. */
export interface VmListenersOptions {
  address: string;
  listeners: PortListeners;
  onConnection: (connection: LocalConnection, guestPort: number) => void;
  /** called once, when the guest opens ports faster than the limit */
  onFlood: () => void;
  /** `ms` of a monotonic clock; default: the process's */
  now?: () => number;
}

interface Open {
  guestPort: number;
  listener?: Disposable;
  problem?: string;
  triedAt: number;
}

/** The listeners of one VM on one address. */
export class VmListeners implements Disposable {
  readonly address: string;
  readonly #options: VmListenersOptions;
  readonly #now: () => number;
  /** by port of the host */
  readonly #open = new Map<number, Open>();
  #wanted: ReadonlyMap<number, number> = new Map();
  #isWorking = false;
  #isChanged = false;
  #isOver = false;
  #hasFlooded = false;
  #later: NodeJS.Timeout | undefined;
  #budget = { left: BURST, at: 0 };

  constructor(options: VmListenersOptions) {
    this.#options = options;
    this.address = options.address;
    this.#now = options.now ?? (() => performance.now());
    this.#budget.at = this.#now();
  }

  /** How many ports it listens on, or should. */
  get size(): number {
    return this.#wanted.size;
  }

  /**
   * Opens and closes listeners so that they are for these ports of the host and lead to the guest's ports;
   * does not wait for that.
   */
  set(wanted: ReadonlyMap<number, number>): void {
    this.#wanted = wanted;
    this.#change();
  }

  /** Why a port of the host does not lead to this port of the guest, for people; absent when it does. */
  problemOf(hostPort: number, guestPort: number): string | undefined {
    if (this.#wanted.get(hostPort) !== guestPort) return `the VM's port ${hostPort} is something else`;
    const open = this.#open.get(hostPort);
    if (open?.guestPort !== guestPort) return 'not yet: the guest opens many ports';
    return open.problem;
  }

  /** Closes every listener and opens none any more. Existing connections stay. Idempotent. */
  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#later);
    for (const { listener } of this.#open.values()) listener?.[Symbol.dispose]();
    this.#open.clear();
  }

  #change(): void {
    this.#isChanged = true;
    if (this.#isWorking || this.#isOver) return;
    this.#isWorking = true;
    void this.#work().finally(() => {
      this.#isWorking = false;
    });
  }

  async #work(): Promise<void> {
    while (this.#isChanged && !this.#isOver) {
      this.#isChanged = false;
      const wanted = this.#wanted;
      for (const [hostPort, open] of this.#open) {
        if (wanted.get(hostPort) === open.guestPort) continue;
        open.listener?.[Symbol.dispose]();
        this.#open.delete(hostPort);
      }
      await this.#openMissing(wanted);
    }
  }

  async #openMissing(wanted: ReadonlyMap<number, number>): Promise<void> {
    for (const [hostPort, guestPort] of wanted) {
      if (this.#isChanged || this.#isOver) return;
      const known = this.#open.get(hostPort);
      if (known?.listener) continue;
      if (known && this.#now() - known.triedAt < RETRY_MS) {
        this.#lookLater(RETRY_MS);
        continue;
      }
      if (!this.#mayOpen()) {
        if (!this.#hasFlooded) this.#options.onFlood();
        this.#hasFlooded = true;
        this.#lookLater(LATER_MS);
        return;
      }
      await this.#listen(hostPort, guestPort);
    }
  }

  async #listen(hostPort: number, guestPort: number): Promise<void> {
    const open: Open = { guestPort, triedAt: this.#now() };
    try {
      const place = { address: this.address, port: hostPort };
      open.listener = await this.#options.listeners.listen(place, (connection) => {
        this.#options.onConnection(connection, guestPort);
      });
    } catch (error) {
      // Shown where ports are listed. It is no event for the log, because it may happen again and again.
      open.problem = messageOf(error);
      this.#lookLater(RETRY_MS);
    }
    if (this.#isOver) open.listener?.[Symbol.dispose]();
    else this.#open.set(hostPort, open);
  }

  #lookLater(ms: number): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#change();
    }, ms).unref();
  }

  #mayOpen(): boolean {
    const now = this.#now();
    this.#budget.left = Math.min(BURST, this.#budget.left + ((now - this.#budget.at) * PER_SECOND) / 1_000);
    this.#budget.at = now;
    if (this.#budget.left < 1) return false;
    this.#budget.left -= 1;
    return true;
  }
}
