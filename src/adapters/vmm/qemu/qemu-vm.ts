import { dirname, join } from 'node:path';
import { type Abortable, neverAborts, sleep, withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { GuestEndpoint } from '../../../core/ports/guest.ts';
import type { SecretValues } from '../../../core/ports/secret-values.ts';
import type {
  LearnedNetwork,
  NetworkCheck,
  NetworkSpec,
  NetworkState,
} from '../../../core/ports/vmm/network.ts';
import type { RunningVm, VmmActivity, VmmProcess, VmmUsage } from '../../../core/ports/vmm/running-vm.ts';
import type { CaptureRequest, DriveCopies, SavedGuest } from '../../../core/ports/vmm/saving.ts';
import type { DriveSpec, VmSpec } from '../../../core/ports/vmm/spec.ts';
import type { VmmSignal } from '../../../protocol/vmm-signal.ts';
import type { BlankDisks } from '../blank-disks.ts';
import { checkDrives } from '../drive-check.ts';
import { logKeepersOf, logsAreWritten } from '../log-keeper.ts';
import { networkFailed, UserNetwork } from '../user-network/user-network.ts';
import { activityOf, endProcess, isAlive, sendSignal, usageOf } from '../vmm-process.ts';
import { type LaunchedQemu, removeRuntimeFiles, runState } from './launch/launch.ts';
import { connectNetwork, disconnectNetwork } from './launch/qemu-network.ts';
import { hangUpForLost } from './qmp/hang-up.ts';
import type { QmpClient } from './qmp/qmp-client.ts';
import { replaceDrive } from './qmp/replace-drive.ts';
import { StallWatch } from './qmp/stall-watch.ts';
import { type RuntimeFiles, runtimeDirOf } from './runtime-files.ts';
import { captureGuest, copyDrives, type SaveOptions, saveGuest } from './save/save.ts';

/** How long QEMU may take to write its cached drive data and metadata. */
export const WRITE_OUT_GRACE_MS = 10_000;

/**
 * Interval at which the process is checked once its control connection is gone; grows, in case it lives on.
 */
const WATCH_MS = { first: 5, most: 500 };

/** Which VM the QEMU runs, and where to report what becomes of it. */
export interface QemuVmOptions extends Omit<SaveOptions, 'signal'> {
  vmId: string;
  log: Logger;
  isAdopted: boolean;
  /** what its network's process prints */
  networkLogPath: string;
  /** of its network's process */
  networkEnv: NodeJS.ProcessEnv;
  secretValues: SecretValues;
  /** source of the copies of drives */
  blanks: BlankDisks;
}

/**
 * A VM in a QEMU that this daemon started or adopted. There is no difference, because QEMU never depends on
 * being our child.
 */
export class QemuVm implements RunningVm {
  readonly vmm: VmmProcess;
  readonly guestEndpoint: GuestEndpoint;
  readonly exited: Promise<void>;
  readonly #qmp: QmpClient;
  readonly #files: RuntimeFiles;
  readonly #stalls: StallWatch;
  readonly #resumeListeners: (() => void)[] = [];
  readonly #logKeepers: Promise<VmmProcess[]>;
  #isDetached = false;
  #isPaused = false;
  #end: RunningVm['end'];
  #ending: Promise<void> | undefined;

  readonly #tools: Omit<
    QemuVmOptions,
    'log' | 'vmId' | 'networkLogPath' | 'networkEnv' | 'secretValues' | 'isAdopted'
  >;
  readonly #network: UserNetwork;

  constructor(
    { vmm, qmp, files }: LaunchedQemu,
    { log, vmId, networkLogPath, networkEnv, secretValues, isAdopted, ...tools }: QemuVmOptions,
  ) {
    this.#tools = tools;
    const { hostTools, env } = tools;
    this.#network = new UserNetwork({
      ...{ vmId, log, hostTools, env: networkEnv, isAdopted, secretValues },
      ...{ runtimeDir: runtimeDirOf(files), logPath: networkLogPath },
      decisionsDir: join(dirname(networkLogPath), 'decisions'),
      connect: (linkSocket, { signal }) =>
        connectNetwork(qmp, linkSocket, { hostTools, env, signal, failed: networkFailed }),
      disconnect: ({ signal }) => disconnectNetwork(qmp, { signal }),
    });
    const { agentSocket } = files;
    const goesOn = (): Promise<void> => hangUpForLost(qmp, { agentSocket, signal: neverAborts() });
    this.#stalls = new StallWatch(qmp, { log, vmId, goesOn, wentOn: () => this.#resumed() });
    qmp.listen(({ event }) => {
      if (event === 'STOP' || event === 'RESUME') this.#isPaused = event === 'STOP';
      // A stalled guest stops again at once while there is no space.
      if (event === 'RESUME' && !this.#stalls.isStalled) this.#resumed();
    });
    this.vmm = vmm;
    this.#logKeepers = logKeepersOf(vmm.pid);
    this.#logKeepers.catch(() => {});
    this.guestEndpoint = { kind: 'unix', path: files.agentSocket };
    this.#qmp = qmp;
    this.#files = files;
    qmp.listen(({ event, data }) => {
      // `ShutdownCause` of QEMU's QMP schema.
      if (event === 'SHUTDOWN') this.#end = data['guest'] === true ? 'guest' : 'signal';
    });
    this.exited = new Promise((resolve) => void this.#watch(resolve));
  }

  /**
   * Returns once {@link isStalled} is right for a guest that was not started but adopted or restored. Nobody
   * may connect to its agent before: the port of a paused guest does not see a connection, and the guest may
   * still wait for the earlier host.
   */
  async known(): Promise<this> {
    await this.#stalls.known;
    return this;
  }

  /**
   * On SIGTERM, QEMU stops the guest, writes the tables of its drives and ends. SIGKILL alone would be
   * faster, but the newest tables of a qcow2 file are only in QEMU's memory. Writes that the guest saw
   * completed, but had not flushed, would be lost with them.
   */
  async kill({ areDrivesGivenUp = false } = {}): Promise<void> {
    this.#ending ??= this.#endProcess({ graceMs: areDrivesGivenUp ? 0 : WRITE_OUT_GRACE_MS });
    try {
      await this.#ending;
    } catch (error) {
      this.#ending = undefined;
      throw error;
    }
  }

  get end(): RunningVm['end'] {
    return this.#end;
  }

  get isStalled(): boolean {
    return this.#stalls.isStalled;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  usage(): Promise<VmmUsage> {
    return usageOf(this.vmm);
  }

  async responds({ withinMs, signal }: Abortable & { withinMs: number }): Promise<boolean> {
    try {
      await withDeadline((inner) => runState(this.#qmp, { signal: inner }), {
        ...{ signal, deadlineMs: withinMs, what: 'the VMM to answer' },
      });
      return true;
    } catch (error) {
      if (isAppError(error, 'WAIT_TIMEOUT', 'VMM_LOST', 'VMM_PROTOCOL')) return false;
      throw error;
    }
  }

  activity(): Promise<VmmActivity> {
    return activityOf(this.vmm);
  }

  get networkProcess(): VmmProcess | undefined {
    return this.#network.process;
  }

  async setNetwork(network: NetworkSpec, { signal }: Abortable): Promise<void> {
    await this.#network.set(network, { signal });
  }

  async networkState({ signal }: Abortable): Promise<NetworkState | undefined> {
    return await this.#network.state({ signal });
  }

  async checkNetwork(target: string, { signal }: Abortable): Promise<NetworkCheck | undefined> {
    return await this.#network.check(target, { signal });
  }

  async learnedNetwork({ signal }: Abortable): Promise<LearnedNetwork | undefined> {
    return await this.#network.learned({ signal });
  }

  async replaceDrive(drive: DriveSpec, { signal }: Abortable): Promise<void> {
    await checkDrives([drive]);
    await replaceDrive(this.#qmp, drive, { signal });
  }

  async signal(name: VmmSignal): Promise<void> {
    await sendSignal(this.vmm, name);
  }

  async save(request: { spec: VmSpec; to: SavedGuest }, { signal }: Abortable): Promise<void> {
    const own = { ...request, spec: this.#placed(request.spec) };
    // Its network connections end with this QEMU, and the guest may be restored with another network.
    const save = (): Promise<void> =>
      this.#stalls.hold(() => saveGuest(this.#qmp, own, { ...this.#tools, signal }));
    await this.#network.whileDisconnected(save, { signal });
  }

  async capture(
    request: CaptureRequest,
    { signal, onCopied }: Parameters<RunningVm['capture']>[1],
  ): Promise<{ pausedMs: number }> {
    const own = { ...request, spec: this.#placed(request.spec) };
    return await this.#stalls.hold(() => captureGuest(this.#qmp, own, { ...this.#tools, signal, onCopied }));
  }

  async copyDrives(
    request: DriveCopies,
    { signal, onCopied }: Parameters<RunningVm['copyDrives']>[1],
  ): Promise<{ pausedMs: number }> {
    const options = { blanks: this.#tools.blanks, signal, onCopied };
    return await this.#stalls.hold(() => copyDrives(this.#qmp, request, options));
  }

  onResume(listener: () => void): void {
    this.#resumeListeners.push(listener);
  }

  detach(): void {
    this.#isDetached = true;
    this.#network.release();
    this.#qmp[Symbol.dispose]();
  }

  #resumed(): void {
    for (const tell of this.#resumeListeners) tell();
  }

  /** An adopted QEMU may have its sockets elsewhere than a VM that is started now. */
  #placed(spec: VmSpec): VmSpec {
    return { ...spec, runtimeDir: runtimeDirOf(this.#files) };
  }

  async #endProcess(limits: { graceMs: number }): Promise<void> {
    this.#network.release();
    await endProcess(this.vmm, limits);
    await Promise.all([this.#network.end(), this.#logKeepers.then(logsAreWritten)]);
    this.#qmp[Symbol.dispose]();
    await removeRuntimeFiles(this.#files);
  }

  /** QEMU closes its control connection shortly before it ends. */
  async #watch(gone: () => void): Promise<void> {
    await this.#qmp.closed;
    for (let waitMs = WATCH_MS.first; !this.#isDetached; waitMs = Math.min(waitMs * 1.5, WATCH_MS.most)) {
      if (!(await isAlive(this.vmm))) {
        await this.#network.end();
        await logsAreWritten(await this.#logKeepers.catch(() => []));
        return gone();
      }
      await sleep(waitMs, { signal: neverAborts() });
    }
  }
}
