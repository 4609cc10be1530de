import { neverAborts, sleep } from '../../../../base/abort.ts';
import { invariant, isAppError } from '../../../../base/errors.ts';
import type { Logger } from '../../../../base/log.ts';
import type { VmmProcess } from '../../../../core/ports/vmm/running-vm.ts';
import { cpuMsOf } from '../../vmm-process.ts';
import { agentChardev } from '../agent-chardev.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';

/**
 * How often a guest may restart while it boots. Under heavy load every fifth boot does, so ten restarts in a
 * row happen once in ten million boots.
 */
const MOST_RESTARTS = 10;

/**
 * Processor time, in `ms`, after which a guest that has not read from a drive never will; a healthy one reads
 * after 1,000.
 */
const STUCK_CPU_MS = 15_000;
const LOOK_EVERY_MS = 500;

/** The boot that {@link BootWatch} watches. */
export interface WatchedBoot {
  vmId: string;
  vmm: VmmProcess;
  qmp: QmpClient;
  log: Logger;
  stuckCpuMs?: number;
  mostRestarts?: number;
  lookEveryMs?: number;
}

/**
 * Watches the boot of a guest that may restart (`mayRestart` of `argv.ts`). Restarts a guest that hangs
 * before it has read from a drive. As soon as the agent opens its port, or after too many restarts, it makes
 * QEMU end at the next reboot instead: the port opens before any program of the image runs that could reboot.
 * The watch then ends; it also ends with its QEMU.
 */
export class BootWatch {
  readonly #boot: WatchedBoot;
  #restarts = 0;
  /** processor time that the VMM had used when this attempt began, in `ms` */
  #cpuMsBefore = 0;
  /** reads of drives when this attempt began: QEMU counts those of earlier attempts too */
  #readsBefore = 0;
  /** this attempt has read from a drive, so it does not hang where {@link STUCK_CPU_MS} means */
  #isReading = false;
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
    const { qmp, vmm, stuckCpuMs = STUCK_CPU_MS, mostRestarts = MOST_RESTARTS } = this.#boot;
    const { lookEveryMs = LOOK_EVERY_MS } = this.#boot;
    // The agent may have opened its port before this watch began.
    const agent = await agentChardev(qmp, OPTIONS);
    if (agent['frontend-open'] === true) return await this.#booted();
    while (!this.#hasBooted) {
      await sleep(lookEveryMs, OPTIONS);
      const cpuMs = await cpuMsOf(vmm);
      if (cpuMs === undefined) return;
      if (this.#isReading || cpuMs - this.#cpuMsBefore < stuckCpuMs) continue;
      const attempt = this.#restarts;
      const reads = await countReads(qmp);
      if (attempt !== this.#restarts) continue;
      this.#isReading = reads > this.#readsBefore;
      if (this.#isReading) continue;
      this.#cpuMsBefore = cpuMs;
      await qmp.execute(this.#restarts < mostRestarts ? 'system_reset' : 'quit', {}, OPTIONS);
    }
  }

  async #restarted(): Promise<void> {
    const { log, vmId, vmm, qmp, mostRestarts = MOST_RESTARTS } = this.#boot;
    this.#restarts += 1;
    this.#isReading = true;
    const [cpuMs = 0, reads] = await Promise.all([cpuMsOf(vmm), countReads(qmp)]);
    this.#cpuMsBefore = cpuMs;
    this.#readsBefore = reads;
    this.#isReading = false;
    log.info('a guest restarts during its boot', { vmId, restarts: this.#restarts });
    if (this.#restarts === mostRestarts) await this.#endAtRestart();
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
      // QEMU has ended, or this daemon has let go of it and another one watches it.
      if (isAppError(error, 'VMM_LOST')) return;
      const { log, vmId } = this.#boot;
      log.warn('the boot of a guest can no longer be watched', { vmId, error });
    }
  }
}

const OPTIONS = { signal: neverAborts() };

async function countReads(qmp: QmpClient): Promise<number> {
  const drives = await qmp.execute('query-blockstats', {}, OPTIONS);
  invariant(Array.isArray(drives), 'QEMU lists its drives');
  const counts = (drives as { stats?: { rd_operations?: unknown } }[]).map(({ stats }) =>
    Number(stats?.rd_operations ?? 0),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
