import { neverAborts, sleep } from '../../../../base/abort.ts';
import { invariant, isAppError } from '../../../../base/errors.ts';
import type { Logger } from '../../../../base/log.ts';
import type { VmmProcess } from '../../../../core/ports/vmm/running-vm.ts';
import { cpuMsOf } from '../../vmm-process.ts';
import { agentChardev } from '../agent-chardev.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';

/**
 * How often a guest may restart while it boots. Under a heavy load one boot in five does, so ten in a row are
 * one in ten millions.
 */
export const MOST_RESTARTS = 10;

/**
 * Processor time, in `ms`, after which a guest that has not read from a drive never will; the first is read
 * after 1,000.
 */
const STUCK_CPU_MS = 15_000;
const LOOK_EVERY_MS = 500;

/** What {@link BootWatch} watches. */
export interface WatchedBoot {
  vmId: string;
  vmm: VmmProcess;
  qmp: QmpClient;
  log: Logger;
  stuckCpuMs?: number;
}

/**
 * Watches over the boot of a guest that may restart (`mayRestart` of `argv.ts`). One that stands still before
 * it has read from a drive is restarted. As soon as its agent opens its port, which is before any program of
 * the image runs that could reboot, or when it has restarted too often, its QEMU is made to end at the next
 * restart. It ends by itself then, or with its QEMU.
 */
export class BootWatch {
  readonly #boot: WatchedBoot;
  #restarts = 0;
  /** what the VMM had used of the host's processors when this attempt began, in `ms` */
  #cpuMsBefore = 0;
  #hasBooted = false;

  constructor(boot: WatchedBoot) {
    this.#boot = boot;
    boot.qmp.listen(({ event, data }) => {
      if (event === 'VSERPORT_CHANGE' && data['open'] === true) void this.#attempt(() => this.#booted());
      if (event === 'RESET' && !this.#hasBooted) void this.#attempt(() => this.#restarted());
    });
    void this.#attempt(() => this.#watch());
  }

  async #watch(): Promise<void> {
    const { qmp, vmm, stuckCpuMs = STUCK_CPU_MS } = this.#boot;
    // It may have been quicker than we.
    const agent = await agentChardev(qmp, OPTIONS);
    if (agent['frontend-open'] === true) return await this.#booted();
    while (!this.#hasBooted) {
      await sleep(LOOK_EVERY_MS, OPTIONS);
      const cpuMs = await cpuMsOf(vmm);
      if (cpuMs === undefined) return;
      if (cpuMs - this.#cpuMsBefore < stuckCpuMs) continue;
      if (await hasReadDrive(qmp)) return;
      this.#cpuMsBefore = cpuMs;
      await qmp.execute(this.#restarts < MOST_RESTARTS ? 'system_reset' : 'quit', {}, OPTIONS);
    }
  }

  async #restarted(): Promise<void> {
    const { log, vmId, vmm } = this.#boot;
    this.#cpuMsBefore = (await cpuMsOf(vmm)) ?? 0;
    this.#restarts += 1;
    log.info('a guest starts over', { vmId, restarts: this.#restarts });
    if (this.#restarts === MOST_RESTARTS) await this.#endAtRestart();
  }

  async #booted(): Promise<void> {
    if (this.#hasBooted) return;
    this.#hasBooted = true;
    await this.#endAtRestart();
  }

  async #endAtRestart(): Promise<void> {
    await this.#boot.qmp.execute('set-action', { reboot: 'shutdown' }, OPTIONS);
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // A QEMU that is gone has ended, and one that was let go of is somebody else's.
      if (isAppError(error, 'VMM_LOST')) return;
      const { log, vmId } = this.#boot;
      log.warn('the boot of a guest is not watched any more', { vmId, error });
    }
  }
}

const OPTIONS = { signal: neverAborts() };

async function hasReadDrive(qmp: QmpClient): Promise<boolean> {
  const drives = await qmp.execute('query-blockstats', {}, OPTIONS);
  invariant(Array.isArray(drives), 'QEMU lists its drives');
  return (drives as { stats?: { rd_operations?: unknown } }[]).some(
    ({ stats }) => Number(stats?.rd_operations) > 0,
  );
}
