import { type Abortable, neverAborts, sleep } from '../../../base/abort.ts';
import type { GuestEndpoint } from '../../../core/ports/guest.ts';
import type { RunningVm, VmmProcess } from '../../../core/ports/vmm.ts';
import type { VmmSignal } from '../../../protocol/vmm-signal.ts';
import { endProcess, isAlive, sendSignal } from '../vmm-process.ts';
import { type LaunchedQemu, removeRuntimeFiles } from './launch.ts';
import { connectNat } from './qemu-network.ts';
import type { QmpClient } from './qmp-client.ts';
import type { RuntimeFiles } from './runtime-files.ts';

/** How long QEMU may take to write out what it holds of its drives. */
export const WRITE_OUT_GRACE_MS = 10_000;

/** How often the process is looked for once its control connection is gone; more and more seldom, should it live on. */
const WATCH_MS = { first: 5, most: 500 };

/** A VM in a QEMU that we started or took over; both are the same, for it never depends on being our child. */
export class QemuVm implements RunningVm {
  readonly vmm: VmmProcess;
  readonly guestEndpoint: GuestEndpoint;
  readonly exited: Promise<void>;
  readonly #qmp: QmpClient;
  readonly #files: RuntimeFiles;
  #isDetached = false;
  #ending: Promise<void> | undefined;

  constructor({ vmm, qmp, files }: LaunchedQemu) {
    this.vmm = vmm;
    this.guestEndpoint = { kind: 'unix', path: files.agentSocket };
    this.#qmp = qmp;
    this.#files = files;
    this.exited = new Promise((resolve) => void this.#watch(resolve));
  }

  /**
   * SIGTERM makes QEMU stop the guest, write out its drives' tables and end. SIGKILL alone would be quicker, but a qcow2 file's newest tables are in
   * QEMU's memory only: writes that the guest saw completed, and had not flushed, would be lost with them.
   */
  async kill(): Promise<void> {
    this.#ending ??= this.#end();
    try {
      await this.#ending;
    } catch (error) {
      this.#ending = undefined;
      throw error;
    }
  }

  async setNat(hasNat: boolean, { signal }: Abortable): Promise<void> {
    await connectNat(this.#qmp, hasNat, { signal });
  }

  async signal(name: VmmSignal): Promise<void> {
    await sendSignal(this.vmm, name);
  }

  detach(): void {
    this.#isDetached = true;
    this.#qmp[Symbol.dispose]();
  }

  async #end(): Promise<void> {
    await endProcess(this.vmm, { graceMs: WRITE_OUT_GRACE_MS });
    this.#qmp[Symbol.dispose]();
    await removeRuntimeFiles(this.#files);
  }

  /** QEMU closes its control connection when it ends; the rest is a moment. */
  async #watch(gone: () => void): Promise<void> {
    await this.#qmp.closed;
    for (let waitMs = WATCH_MS.first; !this.#isDetached; waitMs = Math.min(waitMs * 1.5, WATCH_MS.most)) {
      if (!(await isAlive(this.vmm))) return gone();
      await sleep(waitMs, { signal: neverAborts() });
    }
  }
}
