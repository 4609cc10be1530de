import { neverAborts, sleep } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import type { Logger } from '../../../../base/log.ts';
import { runState, STALLED } from '../launch/launch.ts';
import type { QmpClient } from './qmp-client.ts';

/**
 * How often a stalled guest is resumed, in `ms`. While the disk is still full, it stalls again at once, and
 * nothing is lost.
 */
const RETRY_EVERY_MS = 1_000;

/** How soon after that the guest counts as running, in `ms`: QEMU repeats pending writes at once. */
const SETTLE_MS = 250;

/** The guest that is watched. */
export interface StallWatchOptions {
  log: Logger;
  vmId: string;
  /** called when the guest resumes, before it counts as running */
  goesOn: () => Promise<void>;
  /** called once it counts as running */
  wentOn?: () => void;
  /** default: a second */
  retryEveryMs?: number;
}

/**
 * Notices when the host has no space for what the guest writes. QEMU then pauses the guest (`werror=enospc`,
 * its default) and repeats the write when the guest resumes. This class resumes it every second. Reporting an
 * error to the guest instead would end it: its root is a device-mapper snapshot of the image, and a single
 * failed write makes that unusable.
 */
export class StallWatch {
  readonly #qmp: QmpClient;
  readonly #log: Logger;
  readonly #vmId: string;
  readonly #goesOn: () => Promise<void>;
  readonly #wentOn: () => void;
  readonly #retryEveryMs: number;
  /** settles when it is known whether the guest was stalled already; never rejects */
  readonly known: Promise<void>;
  #isStalled = false;
  #stallCount = 0;
  #holdCount = 0;

  constructor(
    qmp: QmpClient,
    { log, vmId, goesOn, wentOn, retryEveryMs = RETRY_EVERY_MS }: StallWatchOptions,
  ) {
    this.#wentOn = wentOn ?? (() => {});
    this.#goesOn = goesOn;
    this.#retryEveryMs = retryEveryMs;
    this.#qmp = qmp;
    this.#log = log;
    this.#vmId = vmId;
    qmp.listen(({ event, data }) => {
      if (event === 'BLOCK_IO_ERROR' && data['action'] === 'stop') this.#stall();
    });
    // A guest that was adopted or restored may already be stalled.
    this.known = this.#attempt(async () => {
      if ((await runState(qmp, { signal: neverAborts() })) === STALLED) this.#stall();
    });
  }

  /** The guest is paused until there is space. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Runs `work`, which pauses the guest for reasons of its own. Meanwhile this class does not resume it. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#holdCount += 1;
    try {
      return await work();
    } finally {
      this.#holdCount -= 1;
    }
  }

  #stall(): void {
    this.#stallCount += 1;
    if (this.#isStalled) return;
    this.#isStalled = true;
    this.#log.warn('a guest is paused: there is no space for what it writes', { vmId: this.#vmId });
    void this.#attempt(() => this.#retry());
  }

  async #retry(): Promise<void> {
    const options = { signal: neverAborts() };
    let hasTried = false;
    for (;;) {
      await sleep(hasTried ? Math.min(SETTLE_MS, this.#retryEveryMs) : this.#retryEveryMs, options);
      const isSettling = hasTried;
      hasTried = false;
      if (this.#holdCount > 0) continue;
      const stallCount = this.#stallCount;
      const state = await runState(this.#qmp, options);
      // Checks again, because nothing can intervene between here and the command. The guest may have stalled
      // again after it reported that it runs.
      if (this.#holdCount > 0 || this.#stallCount !== stallCount) continue;
      if (state !== STALLED) break;
      if (isSettling) continue;
      hasTried = true;
      await this.#qmp.execute('cont', {}, options);
    }
    await this.#attempt(this.#goesOn);
    this.#isStalled = false;
    this.#log.info('a guest has resumed: there is space again', { vmId: this.#vmId });
    this.#wentOn();
  }

  /** A failure no longer matters when QEMU has ended or was let go of. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isAppError(error, 'VMM_LOST')) return;
      this.#log.warn('a paused guest could not be watched', { vmId: this.#vmId, error });
    }
  }
}
