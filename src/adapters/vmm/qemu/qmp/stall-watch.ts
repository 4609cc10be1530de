import { neverAborts, sleep } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import type { Logger } from '../../../../base/log.ts';
import { runState, STALLED } from '../launch/launch.ts';
import type { QmpClient } from './qmp-client.ts';

/**
 * How often a guest that stands still is let go on, in `ms`: with the disk still full it stops again at once,
 * and nothing is lost.
 */
const RETRY_EVERY_MS = 1_000;

/** How soon after that the guest counts as one that runs, in `ms`: QEMU writes what waits at once. */
const SETTLE_MS = 250;

/** Whose guest is watched. */
export interface StallWatchOptions {
  log: Logger;
  vmId: string;
  /** called when the guest goes on, before it counts as one that does */
  goesOn: () => Promise<void>;
  /** called once it counts as one that goes on */
  wentOn?: () => void;
  /** default: a second */
  retryEveryMs?: number;
}

/**
 * Notices when the host has no space for what the guest writes. QEMU stops the guest then (`werror=enospc`,
 * its default), and tries the write again when the guest goes on. An error instead would end the guest: its
 * root is a snapshot of the image, which one failed write makes useless. Here it is tried every second.
 */
export class StallWatch {
  readonly #qmp: QmpClient;
  readonly #log: Logger;
  readonly #vmId: string;
  readonly #goesOn: () => Promise<void>;
  readonly #wentOn: () => void;
  readonly #retryEveryMs: number;
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
    // One that was taken over may stand still already.
    void this.#attempt(async () => {
      if ((await runState(qmp, { signal: neverAborts() })) === STALLED) this.#stall();
    });
  }

  /** The guest stands still, until there is space. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Runs `work`, which stops the guest for reasons of its own: meanwhile it is not let go on from here. */
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
    this.#log.warn('a guest stands still: there is no space for what it writes', { vmId: this.#vmId });
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
      // Looked at once more: from here to the command nothing can come in between. It may have stopped again
      // after it said that it runs.
      if (this.#holdCount > 0 || this.#stallCount !== stallCount) continue;
      if (state !== STALLED) break;
      if (isSettling) continue;
      hasTried = true;
      await this.#qmp.execute('cont', {}, options);
    }
    await this.#attempt(this.#goesOn);
    this.#isStalled = false;
    this.#log.info('a guest goes on: there is space again', { vmId: this.#vmId });
    this.#wentOn();
  }

  /** What cannot be asked of a QEMU that has gone, or was let go of, is of no interest any more. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isAppError(error, 'VMM_LOST')) return;
      this.#log.warn('a guest that stands still could not be watched', { vmId: this.#vmId, error });
    }
  }
}
