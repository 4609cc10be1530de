import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Abortable, neverAborts, sleep, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { reportNoSpace } from '../../../base/files/no-space.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { connectUnix } from '../../../base/unix-socket.ts';
import type { GuestEndpoint } from '../../../core/ports/guest.ts';
import type { DriverFeature } from '../../../core/ports/vmm/driver.ts';
import type { NetworkSpec } from '../../../core/ports/vmm/network.ts';
import type { RunningVm, VmmActivity, VmmProcess, VmmUsage } from '../../../core/ports/vmm/running-vm.ts';
import type { DriveCopies } from '../../../core/ports/vmm/saving.ts';
import type { DriveSpec } from '../../../core/ports/vmm/spec.ts';
import type { VmmSignal } from '../../../protocol/vmm-signal.ts';
import { copyDriveFile } from '../copy-drive-file.ts';
import { checkDrives } from '../drive-check.ts';
import { logKeepersOf, logsAreWritten } from '../log-keeper.ts';
import { activityOf, endProcess, isAlive, sendSignal, usageOf } from '../vmm-process.ts';
import { type LaunchedFirecracker, removeRuntimeFiles } from './launch.ts';
import { AGENT_PORT, replaceRequest, stateRequest } from './requests.ts';

/** What VMs on Firecracker cannot do in this version of banger, and why. */
export const LACKS: Readonly<Record<DriverFeature, string>> = {
  network: 'VMs on Firecracker have no network',
  save: 'banger does not save guests of Firecracker',
  capture: 'banger does not copy running guests of Firecracker',
};

/** Interval at which the process is looked at once its API is gone; grows, in case it lives on. */
const WATCH_MS = { first: 5, most: 500 };

/**
 * A VM in a Firecracker that this daemon started or adopted. Its process never depends on being our child;
 * only how it ended is known just to the daemon that started it.
 */
export class FirecrackerVm implements RunningVm {
  readonly vmm: VmmProcess;
  readonly guestEndpoint: GuestEndpoint;
  readonly exited: Promise<void>;
  readonly isStalled = false;
  readonly networkProcess = undefined;
  readonly #launched: LaunchedFirecracker;
  readonly #logKeepers: Promise<VmmProcess[]>;
  readonly #resumeListeners: (() => void)[] = [];
  readonly #detached = new AbortController();
  #isPaused = false;
  #end: RunningVm['end'];
  #ending: Promise<void> | undefined;

  constructor(launched: LaunchedFirecracker) {
    this.#launched = launched;
    this.vmm = launched.vmm;
    this.guestEndpoint = { kind: 'vsock', path: launched.files.vsockSocket, port: AGENT_PORT };
    this.#logKeepers = logKeepersOf(launched.vmm.pid);
    this.#logKeepers.catch(() => {});
    void launched.result?.then(({ code, signal }) => {
      // It exits with 0 when the guest restarts, which is how guests end.
      if (code === 0) this.#end = 'guest';
      else if (signal !== null && signal !== 'SIGKILL') this.#end = 'signal';
    });
    this.exited = new Promise((resolve) => void this.#watch(resolve));
  }

  get end(): RunningVm['end'] {
    return this.#end;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /**
   * Firecracker passes what a guest writes on to the host's kernel before it tells the guest so; there is
   * nothing that it would have to write at its end.
   */
  async kill(): Promise<void> {
    this.#ending ??= this.#endProcess();
    try {
      await this.#ending;
    } catch (error) {
      this.#ending = undefined;
      throw error;
    }
  }

  async signal(name: VmmSignal): Promise<void> {
    await sendSignal(this.vmm, name);
  }

  usage(): Promise<VmmUsage> {
    return usageOf(this.vmm);
  }

  activity(): Promise<VmmActivity> {
    return activityOf(this.vmm);
  }

  async responds({ withinMs, signal }: Abortable & { withinMs: number }): Promise<boolean> {
    try {
      await withDeadline((inner) => this.#launched.api.info({ signal: inner }), {
        ...{ signal, deadlineMs: withinMs, what: 'the VMM to answer' },
      });
      return true;
    } catch (error) {
      if (isAppError(error, 'WAIT_TIMEOUT', 'VMM_LOST', 'VMM_PROTOCOL')) return false;
      throw error;
    }
  }

  async setNetwork({ mode }: NetworkSpec): Promise<void> {
    if (mode !== 'none') throw lacking('network');
  }

  async networkState(): Promise<undefined> {}

  async checkNetwork(): Promise<undefined> {}

  async learnedNetwork(): Promise<undefined> {}

  async replaceDrive(drive: DriveSpec, { signal }: Abortable): Promise<void> {
    await checkDrives([drive]);
    await this.#launched.api.send(replaceRequest(drive), { signal });
  }

  async save(): Promise<never> {
    throw lacking('save');
  }

  async capture(): Promise<never> {
    throw lacking('capture');
  }

  async copyDrives(
    { spec, drives }: DriveCopies,
    { signal, onCopied }: Parameters<RunningVm['copyDrives']>[1],
  ): Promise<{ pausedMs: number }> {
    const { api } = this.#launched;
    const pausedAt = performance.now();
    await using undo = new ResourceStack();
    await api.send(stateRequest('Paused'), { signal });
    this.#isPaused = true;
    try {
      let doneBytes = 0;
      const totalBytes = drives.reduce((sum, { serial }) => sum + sizeOf(spec.drives, serial), 0);
      for (const { serial, pathOnHost } of drives) {
        const source = spec.drives.find((drive) => drive.serial === serial)?.pathOnHost ?? '';
        await reportNoSpace(() => copyDriveFile(source, pathOnHost, { signal }), {
          what: `a copy of the drive "${serial}"`,
          dir: dirname(pathOnHost),
        });
        undo.defer(`remove "${pathOnHost}"`, () => rm(pathOnHost, { force: true }));
        doneBytes += sizeOf(spec.drives, serial);
        onCopied?.({ doneBytes, totalBytes });
      }
    } finally {
      await api.send(stateRequest('Resumed'), { signal: neverAborts() });
      this.#isPaused = false;
      for (const tell of this.#resumeListeners) tell();
    }
    undo.move();
    return { pausedMs: performance.now() - pausedAt };
  }

  onResume(listener: () => void): void {
    this.#resumeListeners.push(listener);
  }

  detach(): void {
    this.#detached.abort();
  }

  async #endProcess(): Promise<void> {
    await endProcess(this.vmm, { graceMs: 0 });
    await this.#logKeepers.then(logsAreWritten);
    await removeRuntimeFiles(this.#launched.files);
  }

  /** A connection to its API that nothing is sent over closes when it ends. */
  async #watch(gone: () => void): Promise<void> {
    await hungUp(this.#launched.files.apiSocket, this.#detached);
    for (let waitMs = WATCH_MS.first; !this.#detached.signal.aborted; ) {
      if (!(await isAlive(this.vmm))) {
        // Known a moment later than that the process is gone.
        await Promise.race([this.#launched.result, sleep(WATCH_MS.most, { signal: neverAborts() })]);
        await logsAreWritten(await this.#logKeepers.catch(() => []));
        return gone();
      }
      await sleep(waitMs, { signal: neverAborts() });
      waitMs = Math.min(waitMs * 1.5, WATCH_MS.most);
    }
  }
}

/** Settles when the other side has closed the connection, or there is none, or on abort. */
async function hungUp(path: string, { signal }: AbortController): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connectUnix(path)
    .on('error', () => {})
    .once('close', () => resolve())
    .resume();
  const leave = (): void => void socket.destroy();
  signal.addEventListener('abort', leave, { once: true });
  await promise;
  signal.removeEventListener('abort', leave);
}

function sizeOf(drives: readonly DriveSpec[], serial: DriveSpec['serial']): number {
  return drives.find((drive) => drive.serial === serial)?.sizeBytes ?? 0;
}

/** The error of what Firecracker's VMs cannot do; callers check `VmDriver.lacks` first. */
export function lacking(feature: DriverFeature): AppError {
  return new AppError('VMM_LACKS', `Cannot do that: ${LACKS[feature]}`, {
    details: { vmm: 'firecracker', feature },
  });
}
