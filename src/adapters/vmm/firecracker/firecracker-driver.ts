import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, sleep, withDeadline } from '../../../base/abort.ts';
import { isAppError, isErrno, messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { findProgram, isExecutable, toolEnv, type Variables } from '../../../base/process/programs.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { DriverProbe, KillStrayOptions, VmDriver } from '../../../core/ports/vmm/driver.ts';
import type { RunningVm } from '../../../core/ports/vmm/running-vm.ts';
import type {
  BootSource,
  DriveBase,
  DriveRequest,
  DriveSpec,
  VmSpec,
  WorkDiskRequest,
} from '../../../core/ports/vmm/spec.ts';
import { packagesOf } from '../../../core/rules/host-packages.ts';
import type { Accelerator } from '../../../protocol/vm.ts';
import { addBase } from '../drive-base.ts';
import type { HostFacts } from '../host-facts.ts';
import { againstKvm, kvmDeadlineMs, reasonAgainstKvm } from '../kvm/kvm.ts';
import { KvmFindings, type KvmTest } from '../kvm/kvm-findings.ts';
import { foldersOf } from '../launch/runtime-folders.ts';
import { endProcess, isAlive, isSame } from '../vmm-process.ts';
import { ApiClient } from './api-client.ts';
import { FirecrackerBinaries, type FirecrackerBinary, TESTED_VERSION } from './binary.ts';
import {
  type FirecrackerPlace,
  type FoundFirecracker,
  findFirecrackers,
  findFirecrackerVmIds,
} from './find-firecracker.ts';
import { FirecrackerVm, LACKS, lacking } from './firecracker-vm.ts';
import { launchFirecracker, removeRuntimeFiles } from './launch.ts';
import { type FirecrackerHost, instanceId } from './launch-argv.ts';
import { probeBoot } from './probe-boot.ts';
import { growRaw, prepareRawDrives, prepareRawWorkDisk, readRaw } from './raw-drives.ts';
import { reasonAgainstKernel, stateRequest } from './requests.ts';
import { runtimeFiles } from './runtime-files.ts';

/** What the driver needs. */
export interface FirecrackerDriverOptions {
  /** folder of this driver alone: findings about KVM; may be deleted at any time */
  cacheDir: string;
  facts: HostFacts;
  /** the caller's environment */
  env: Variables;
  /** path of Firecracker; absent: the first `firecracker` on PATH */
  program?: string | undefined;
  /** `kvm`: use KVM without a test; `tcg`: do not use it, and so no Firecracker */
  accelerator?: Accelerator | undefined;
  /** the program `banger-host`; when it is missing, Firecracker starts without the second wall */
  hostTools: string;
  log: Logger;
}

/** How long a Firecracker may be silent before somebody is told, and how often it is asked, in `ms`. */
const SILENT_MS = 2_000;
const ASK_EVERY_MS = 200;

/** Firecracker on KVM, for guests of amd64. */
export class FirecrackerDriver implements VmDriver {
  readonly name = 'firecracker';
  readonly lacks = LACKS;
  readonly #options: FirecrackerDriverOptions;
  readonly #binaries: FirecrackerBinaries;
  readonly #findings: KvmFindings;

  constructor(options: FirecrackerDriverOptions) {
    this.#options = options;
    this.#binaries = new FirecrackerBinaries(options.env, options.program);
    this.#findings = new KvmFindings(join(options.cacheDir, 'kvm'));
  }

  async probe(
    boot: BootSource | undefined,
    { arch = boot?.arch ?? this.#options.facts.arch, signal }: Abortable & { arch?: GuestArch },
  ): Promise<DriverProbe> {
    const { facts, env } = this.#options;
    if (arch !== 'amd64' || facts.arch !== 'amd64') {
      return unusable('banger runs Firecracker only for amd64 guests on amd64 hosts');
    }
    try {
      const binary = await this.#binaries.require({ signal });
      if ((await findProgram('mkfs.ext4', env)) === undefined) {
        return { ...unusable('mkfs.ext4: not installed'), packages: packagesOf(['mkfs.ext4']) };
      }
      const reason = boot && reasonAgainstKernel(boot);
      if (reason !== undefined) return unusable(reason, 'use a kernel of a distribution: banger kernel pull');
      const version = `Firecracker ${binary.version}`;
      return {
        version,
        testedVersion: TESTED_VERSION,
        ...(await this.#accelerator(binary, boot, { signal })),
      };
    } catch (error) {
      if (!isAppError(error, 'VMM_NOT_FOUND', 'VMM_UNSUPPORTED', 'EXEC_FAILED', 'EXEC_NOT_FOUND'))
        throw error;
      return unusable(messageOf(error), error.hint);
    }
  }

  async probeNetwork(): Promise<Pick<DriverProbe, 'isUsable' | 'reason'>> {
    return { isUsable: false, reason: LACKS.network };
  }

  async prepareDrives(request: DriveRequest, { signal }: Abortable): Promise<readonly DriveSpec[]> {
    return await prepareRawDrives(request, { env: this.#options.env, signal });
  }

  async addBase(request: { file: string; dir: string }, { signal }: Abortable): Promise<DriveBase> {
    return await addBase(request, { signal });
  }

  async prepareWorkDisk(request: WorkDiskRequest, { signal }: Abortable): Promise<DriveSpec> {
    return await prepareRawWorkDisk(request, { env: this.#options.env, signal });
  }

  async removeDrives(drives: readonly DriveSpec[]): Promise<void> {
    for (const { isReadOnly, pathOnHost } of drives) if (!isReadOnly) await rm(pathOnHost, { force: true });
  }

  async growDrive(drive: DriveSpec, sizeBytes: number): Promise<DriveSpec> {
    return await growRaw(drive, sizeBytes);
  }

  async readDrive(drive: DriveSpec, { target, signal }: Abortable & { target: string }): Promise<void> {
    await readRaw(drive, { target, signal });
  }

  async start(spec: VmSpec, { signal }: Abortable): Promise<RunningVm> {
    const begun = performance.now();
    const host = await this.#host(await this.#binaries.require({ signal }));
    const launched = await launchFirecracker(spec, { host, env: toolEnv(this.#options.env), signal });
    const ms = Math.round(performance.now() - begun);
    this.#options.log.debug('Firecracker runs', { vmId: spec.vmId, pid: launched.vmm.pid, ms });
    const vm = new FirecrackerVm(launched);
    try {
      await vm.setNetwork(spec.network);
      return vm;
    } catch (error) {
      await vm.kill();
      throw error;
    }
  }

  async restore(): Promise<never> {
    throw lacking('save');
  }

  async adopt(
    place: FirecrackerPlace,
    { signal, onSilent = () => {} }: Abortable & { onSilent?: () => void },
  ): Promise<RunningVm | undefined> {
    const [found] = await findFirecrackers(place);
    if (!found) return undefined;
    const files = runtimeFiles(found.runtimeDir);
    const api = new ApiClient(files.apiSocket);
    const state = await this.#stateOf(found, api, { signal, onSilent });
    // One that has not started has lost the daemon that would have started it.
    if (state !== 'Running' && state !== 'Paused') return undefined;
    // The daemon that paused it, to copy its drives, has died.
    if (state === 'Paused') await api.send(stateRequest('Resumed'), { signal });
    return new FirecrackerVm({ vmm: found.vmm, api, files });
  }

  async listRunning(folders: { vmRuntimeDir: string; vmsDir: string }): Promise<string[]> {
    return await findFirecrackerVmIds(folders);
  }

  async killStray(place: FirecrackerPlace, { except }: KillStrayOptions = {}): Promise<void> {
    const used = new Set<string>();
    for (const { vmm, runtimeDir } of await findFirecrackers(place)) {
      if (isSame(vmm, except)) {
        used.add(runtimeDir);
        continue;
      }
      await endProcess(vmm, { graceMs: 0 });
      await removeRuntimeFiles(runtimeFiles(runtimeDir));
    }
    // Includes the folders of VMMs that have already ended.
    for (const dir of await foldersOf(place.runtimeDir)) {
      if (!used.has(dir)) await removeRuntimeFiles(runtimeFiles(dir));
    }
  }

  async sweep(): Promise<void> {}

  /** Asks until there is an answer or the process is gone. */
  async #stateOf(
    { vmm, vmId }: FoundFirecracker,
    api: ApiClient,
    { signal, onSilent }: Abortable & { onSilent: () => void },
  ): Promise<string | undefined> {
    for (let isTold = false; await isAlive(vmm); ) {
      try {
        const options = { signal, deadlineMs: SILENT_MS, what: 'Firecracker to answer' };
        const { id, state } = await withDeadline((inner) => api.info({ signal: inner }), options);
        return id === instanceId(vmId) ? state : undefined;
      } catch (error) {
        signal.throwIfAborted();
        // Its socket is gone for good, so nobody can reach it.
        if (isAppError(error, 'VMM_LOST') && !(await isAlive(vmm))) return undefined;
        if (isAppError(error, 'VMM_LOST') && isErrno(error.cause, 'ENOENT')) return undefined;
        if (!isAppError(error, 'WAIT_TIMEOUT', 'VMM_LOST')) throw error;
        if (!isTold) onSilent();
        isTold = true;
        await sleep(ASK_EVERY_MS, { signal });
      }
    }
    return undefined;
  }

  async #accelerator(
    binary: FirecrackerBinary,
    boot: BootSource | undefined,
    { signal }: Abortable,
  ): Promise<Pick<DriverProbe, 'isUsable' | 'accelerator' | 'reason' | 'hint'>> {
    const { facts, env, accelerator: chosen } = this.#options;
    if (chosen === 'kvm') return { isUsable: true, accelerator: 'kvm' };
    if (chosen === 'tcg') return unusable('Firecracker needs KVM, which is switched off');
    const [cpuInfo, openError] = await Promise.all([facts.cpuInfo(), facts.kvmOpenError()]);
    const reason = reasonAgainstKvm({ arch: facts.arch, cpuInfo, openError });
    if (reason !== undefined) return unusable(`Firecracker needs KVM: ${reason}`);
    if (!boot) return { isUsable: true, reason: 'KVM has not been tested: there is no kernel yet' };
    const host = await this.#host(binary);
    const test: KvmTest['test'] = async (dir) => {
      const deadlineMs = kvmDeadlineMs({ cpuInfo, load: facts.load() });
      return await probeBoot({ boot, host, env: toolEnv(env), dir, deadlineMs }, { signal });
    };
    const context = { bootId: await facts.bootId(), binary, boot };
    const finding = await this.#findings.get(context, { test, load: facts.load, nowMs: Date.now, signal });
    const against = againstKvm(finding, { nowMs: Date.now(), vmm: 'Firecracker' });
    if (!against) return { isUsable: true, accelerator: 'kvm' };
    return unusable(`Firecracker needs KVM: ${against.reason}`, against.hint);
  }

  async #host({ path }: FirecrackerBinary): Promise<FirecrackerHost> {
    const { hostTools, log } = this.#options;
    if (await isExecutable(hostTools)) return { binary: path, hostTools };
    log.warn('VMMs start without the second wall', { missing: hostTools });
    return { binary: path };
  }
}

function unusable(reason: string, hint?: string): DriverProbe {
  return { isUsable: false, reason, ...(hint === undefined ? {} : { hint }) };
}
