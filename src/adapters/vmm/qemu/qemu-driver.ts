import { existsSync } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Abortable, neverAborts, sleep } from '../../../base/abort.ts';
import { AppError, isAppError, isErrno, messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { exec, PROBE_DEADLINE_MS } from '../../../base/process/exec.ts';
import { findProgram, isExecutable, toolEnv, type Variables } from '../../../base/process/programs.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { SecretValues } from '../../../core/ports/secret-values.ts';
import type { DriverProbe, KillStrayOptions, VmDriver } from '../../../core/ports/vmm/driver.ts';
import type { RunningVm, VmmProcess } from '../../../core/ports/vmm/running-vm.ts';
import type { RestoreOptions, SavedGuest } from '../../../core/ports/vmm/saving.ts';
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
import { BlankDisks } from '../blank-disks.ts';
import { addBase } from '../drive-base.ts';
import { growQcow2 } from '../grow-drive.ts';
import type { HostFacts } from '../host-facts.ts';
import { againstKvm, kvmDeadlineMs, reasonAgainstKvm } from '../kvm/kvm.ts';
import { KvmFindings, type KvmTest } from '../kvm/kvm-findings.ts';
import { foldersOf } from '../launch/runtime-folders.ts';
import { readQcow2 } from '../read-drive.ts';
import { endNetworks, networkFolders } from '../user-network/network-files.ts';
import { trustVariables } from '../user-network/trust-variables.ts';
import { networkLogPath } from '../user-network/user-network.ts';
import { endProcess, isAlive, isSame } from '../vmm-process.ts';
import { QemuBinaries, type QemuBinary } from './binary.ts';
import { findQemus, findQemuVmIds, type QemuPlace } from './find-qemu.ts';
import { mayRestart } from './launch/argv.ts';
import { hostTscKhz } from './launch/boot-args.ts';
import { BootWatch } from './launch/boot-watch.ts';
import { type LaunchedQemu, type LaunchOptions, launchQemu, removeRuntimeFiles } from './launch/launch.ts';
import { prepareDrives, prepareWorkDisk } from './launch/prepare-drives.ts';
import { reconnectQemu } from './launch/reconnect.ts';
import { MACHINES } from './machine/machines.ts';
import { probeBoot } from './probe-boot.ts';
import type { QemuHost } from './qemu-host.ts';
import { QemuVm, WRITE_OUT_GRACE_MS } from './qemu-vm.ts';
import { runtimeDirOf, runtimeFiles } from './runtime-files.ts';
import type { ReceiveOptions } from './save/receive-guest.ts';
import { savedGuestKind } from './saved-guest-kind.ts';

/** What the driver needs. */
export interface QemuDriverOptions {
  /** folder of this driver alone: blank disks, findings about KVM; may be deleted at any time */
  cacheDir: string;
  facts: HostFacts;
  /** the caller's environment; QEMU and its tools get the part that {@link toolEnv} keeps */
  env: Variables;
  /**
   * the accelerator of all VMs, untested; absent: KVM where a test boot has shown that it works, else
   * emulation
   */
  accelerator?: Accelerator;
  /** the program `banger-receive`, which writes guests to disk when they are saved */
  receiver: ReceiveOptions['receiver'];
  /**
   * the program `banger-host`, which puts the second wall around each QEMU; when it is missing, QEMU starts
   * without that wall
   */
  hostTools: string;
  /** for requests of guests */
  secretValues: SecretValues;
  log: Logger;
  /** how long a guest that cannot be reached gets to write its data by itself, in `ms`; default: 36 s */
  writeBackMs?: number;
}

const SWITCHED_OFF_HINT =
  'unset BANGER_ACCELERATOR, or remove `accelerator` from the config file, to use KVM where it works';

/** QEMU with KVM or software emulation; guests of another architecture than the host's are emulated. */
export class QemuDriver implements VmDriver {
  readonly name = 'qemu';
  readonly lacks = {};
  readonly #options: QemuDriverOptions;
  readonly #binaries: QemuBinaries;
  readonly #blanks: BlankDisks;
  readonly #findings: KvmFindings;

  constructor(options: QemuDriverOptions) {
    const { cacheDir, env } = options;
    this.#options = options;
    this.#binaries = new QemuBinaries(env);
    this.#blanks = new BlankDisks({ dir: join(cacheDir, 'blank-disks'), env });
    this.#findings = new KvmFindings(join(cacheDir, 'kvm'));
  }

  async probe(
    boot: BootSource | undefined,
    { arch = boot?.arch ?? this.#options.facts.arch, ...options }: Abortable & { arch?: GuestArch },
  ): Promise<DriverProbe> {
    const missing = await this.#missingPrograms(arch);
    if (missing.length > 0) {
      return {
        isUsable: false,
        reason: `${missing.join(', ')}: not installed`,
        packages: packagesOf(missing),
      };
    }
    try {
      const binary = await this.#binary(arch, options);
      const version = `QEMU ${binary.version}`;
      const found = await this.#accelerator(binary, { arch, boot }, options);
      const host = await this.#host(binary, arch);
      return { isUsable: true, version, ...found, ...(await this.#savedGuest(binary, host, found)) };
    } catch (error) {
      if (!isAppError(error, 'VMM_UNSUPPORTED', 'EXEC_FAILED')) throw error;
      return { isUsable: false, reason: messageOf(error), packages: packagesOf([MACHINES[arch].program]) };
    }
  }

  async probeNetwork({ signal }: Abortable): Promise<Pick<DriverProbe, 'isUsable' | 'reason'>> {
    const { hostTools, env } = this.#options;
    const options = { signal, env: toolEnv(env), deadlineMs: PROBE_DEADLINE_MS };
    try {
      await exec([hostTools, 'net', '--check'], options);
      return { isUsable: true };
    } catch (error) {
      if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) throw error;
      return { isUsable: false, reason: messageOf(error) };
    }
  }

  async prepareDrives(request: DriveRequest, { signal }: Abortable): Promise<readonly DriveSpec[]> {
    return await prepareDrives(request, { blanks: this.#blanks, signal });
  }

  async addBase(request: { file: string; dir: string }, { signal }: Abortable): Promise<DriveBase> {
    return await addBase(request, { signal });
  }

  async prepareWorkDisk(request: WorkDiskRequest, { signal }: Abortable): Promise<DriveSpec> {
    return await prepareWorkDisk(request, { blanks: this.#blanks, signal });
  }

  async growDrive(drive: DriveSpec, sizeBytes: number): Promise<DriveSpec> {
    return await growQcow2(drive, { sizeBytes, env: this.#options.env });
  }

  async readDrive(drive: DriveSpec, { target, signal }: Abortable & { target: string }): Promise<void> {
    await readQcow2(drive, { target, env: this.#options.env, signal });
  }

  async removeDrives(drives: readonly DriveSpec[]): Promise<void> {
    for (const { isReadOnly, pathOnHost } of drives) if (!isReadOnly) await rm(pathOnHost, { force: true });
  }

  async start(spec: VmSpec, { signal }: Abortable): Promise<RunningVm> {
    return await this.#launch(spec, { signal });
  }

  async restore(spec: VmSpec, saved: SavedGuest, options: RestoreOptions): Promise<RunningVm> {
    await using state = await openSaved(spec, saved);
    const { memoryPath, hasBuiltInNetwork } = saved;
    const mode = { kind: 'restore', memoryPath, hasBuiltInNetwork } as const;
    const vm = await this.#launch(spec, { ...options, mode, inputFd: state.fd });
    return await vm.known();
  }

  async adopt(
    place: QemuPlace,
    { signal, onSilent = () => {} }: Abortable & { onSilent?: () => void },
  ): Promise<RunningVm | undefined> {
    const [found] = await findQemus(place);
    if (!found) return undefined;
    const { vmm, files } = found;
    const { log } = this.#options;
    const options = { vmId: place.vmId, path: files.qmpSocket, onSilent, log, signal };
    const qmp = await reconnectQemu(vmm, options);
    if (!qmp) return undefined;
    await rm(files.saveSocket, { force: true });
    return await this.#vm({ vmm, qmp, files }, place, { isAdopted: true }).known();
  }

  async listRunning(folders: { vmRuntimeDir: string; vmsDir: string }): Promise<string[]> {
    const { vmRuntimeDir } = folders;
    const networks = (await networkFolders()).filter((dir) => dirname(dir) === vmRuntimeDir);
    return [...new Set([...(await findQemuVmIds(folders)), ...networks.map((dir) => basename(dir))])];
  }

  async killStray(
    place: QemuPlace,
    { isGuestKept = false, givenUp = neverAborts(), except }: KillStrayOptions = {},
  ): Promise<void> {
    const used = new Set<string>();
    for (const { vmm, files } of await findQemus(place)) {
      if (isSame(vmm, except)) {
        used.add(dirname(files.pidFile));
        continue;
      }
      if (isGuestKept && !existsSync(files.qmpSocket)) {
        await this.#letWriteBack(place.vmId, vmm, givenUp);
      }
      await endProcess(vmm, { graceMs: WRITE_OUT_GRACE_MS });
      await endNetworks(runtimeDirOf(files));
      await removeRuntimeFiles(files);
    }
    // Includes the folders of VMMs that have already ended.
    for (const dir of await foldersOf(place.runtimeDir)) {
      if (used.has(dir)) continue;
      await endNetworks(dir);
      await removeRuntimeFiles(runtimeFiles(dir));
    }
  }

  async sweep(): Promise<void> {
    await this.#blanks.sweep();
  }

  async #launch(
    spec: VmSpec,
    { signal, ...how }: Abortable & Pick<LaunchOptions, 'mode' | 'inputFd' | 'onVmm' | 'beforeRun'>,
  ): Promise<QemuVm> {
    const begun = performance.now();
    const { arch } = spec.bootSource;
    const host = await this.#host(await this.#binary(arch, { signal }), arch);
    const launched = await launchQemu(spec, { host, env: toolEnv(this.#options.env), ...how, signal });
    const { vmId } = spec;
    const vm = this.#vm(launched, spec, { isAdopted: false });
    if (mayRestart(spec, host, how.mode)) new BootWatch({ ...launched, vmId, log: this.#options.log });
    const ms = Math.round(performance.now() - begun);
    this.#options.log.debug('QEMU runs', { vmId, pid: launched.vmm.pid, ms });
    if (spec.network.mode === 'none') return vm;
    try {
      await vm.setNetwork(spec.network, { signal });
      return vm;
    } catch (error) {
      await vm.kill();
      throw error;
    }
  }

  #vm(
    launched: LaunchedQemu,
    { vmId, consoleLogPath }: Pick<VmSpec, 'vmId' | 'consoleLogPath'>,
    { isAdopted }: { isAdopted: boolean },
  ): QemuVm {
    const { log, env, receiver, hostTools, secretValues } = this.#options;
    const tools = toolEnv(env);
    const own = { vmId, isAdopted, networkLogPath: networkLogPath(consoleLogPath) };
    return new QemuVm(launched, {
      ...{ ...own, log, receiver, hostTools, env: tools, blanks: this.#blanks },
      ...{ secretValues, networkEnv: { ...tools, ...trustVariables(env) } },
    });
  }

  /** Nothing can ask this guest to write its data. Its kernel does so by itself within this time. */
  async #letWriteBack(vmId: string, vmm: VmmProcess, givenUp: AbortSignal): Promise<void> {
    const { log, writeBackMs = WRITE_BACK_MS } = this.#options;
    log.warn(
      'the sockets of a VM are gone: its VMM will be ended once its guest has had time to write its data',
      {
        vmId,
      },
    );
    const endsAt = performance.now() + writeBackMs;
    while (performance.now() < endsAt && !givenUp.aborted && (await isAlive(vmm))) {
      await sleep(500, { signal: neverAborts() });
    }
  }

  async #accelerator(
    binary: QemuBinary,
    { arch, boot }: { arch: GuestArch; boot: BootSource | undefined },
    { signal }: Abortable,
  ): Promise<Pick<DriverProbe, 'accelerator' | 'isForeign' | 'reason' | 'hint'>> {
    const { facts, env, accelerator: chosen } = this.#options;
    if (arch !== facts.arch) {
      const reason = `the guest is ${arch}, and this host is ${facts.arch}`;
      return { accelerator: 'tcg', isForeign: true, reason };
    }
    if (chosen === 'kvm') return { accelerator: 'kvm' };
    if (chosen === 'tcg')
      return { accelerator: 'tcg', reason: 'KVM is switched off', hint: SWITCHED_OFF_HINT };
    const [cpuInfo, openError] = await Promise.all([facts.cpuInfo(), facts.kvmOpenError()]);
    const reason = reasonAgainstKvm({ arch: facts.arch, cpuInfo, openError });
    if (reason !== undefined) return { accelerator: 'tcg', reason };
    if (!boot) return { reason: 'KVM has not been tested: there is no kernel yet' };
    const host = await this.#host(binary, arch);
    const test: KvmTest['test'] = async (dir) => {
      const deadlineMs = kvmDeadlineMs({ cpuInfo, load: facts.load() });
      const probe = { boot, accelerator: 'kvm', host, env: toolEnv(env), dir, deadlineMs } as const;
      return await probeBoot(probe, { signal });
    };
    const context = { bootId: await facts.bootId(), binary, boot };
    const finding = await this.#findings.get(context, { test, load: facts.load, nowMs: Date.now, signal });
    const against = againstKvm(finding, { nowMs: Date.now(), vmm: 'QEMU' });
    return against ? { accelerator: 'tcg', ...against } : { accelerator: 'kvm' };
  }

  async #savedGuest(
    binary: QemuBinary,
    host: QemuHost,
    { accelerator }: Pick<DriverProbe, 'accelerator'>,
  ): Promise<Pick<DriverProbe, 'savedGuestKey' | 'savedGuestParts'>> {
    if (!accelerator) return {};
    const cpuInfo = await this.#options.facts.cpuInfo();
    const { key, parts } = savedGuestKind({ binary, host, accelerator, cpuInfo });
    return { savedGuestKey: key, savedGuestParts: parts };
  }

  async #missingPrograms(arch: GuestArch): Promise<string[]> {
    const needed = [MACHINES[arch].program, 'qemu-img', 'mkfs.ext4'];
    const found = await Promise.all(needed.map((program) => findProgram(program, this.#options.env)));
    return needed.filter((_, at) => found[at] === undefined);
  }

  async #binary(arch: GuestArch, { signal }: Abortable): Promise<QemuBinary> {
    const { program, type: machine } = MACHINES[arch];
    return await this.#binaries.require(program, { machine, signal });
  }

  async #host({ path, machines }: QemuBinary, arch: GuestArch): Promise<QemuHost> {
    const { facts, hostTools, log } = this.#options;
    const tscKhz = hostTscKhz(await facts.cpuInfo());
    const hasWall = await isExecutable(hostTools);
    if (!hasWall) log.warn('VMMs start without the second wall', { missing: hostTools });
    return {
      binary: path,
      arch,
      machine: MACHINES[arch].typeIn(machines),
      ...(tscKhz === undefined ? {} : { tscKhz }),
      ...(hasWall ? { hostTools } : {}),
    };
  }
}

/**
 * Linux writes pages that have been dirty for 30 s, and checks every 5 s (vm.dirty_expire_centisecs,
 * vm.dirty_writeback_centisecs).
 */
const WRITE_BACK_MS = 36_000;

/**
 * Opens the device state.
 *
 * @throws {AppError} VMM_RESTORE_FAILED when a file is missing, or the memory file does not have the VM's
 * memory size.
 */
async function openSaved(
  { vmId, vmName = vmId, memoryMib }: VmSpec,
  { memoryPath, statePath }: SavedGuest,
): Promise<FileHandle> {
  const failed = (path: string, state: string, cause?: unknown): AppError =>
    new AppError('VMM_RESTORE_FAILED', `Cannot restore vm "${vmName}": "${path}" ${state}`, {
      details: { vmId, path },
      cause,
    });
  try {
    // QEMU would create a missing file, and extend one that is too short.
    if ((await stat(memoryPath)).size !== memoryMib * 2 ** 20) throw failed(memoryPath, 'has the wrong size');
    return await open(statePath, 'r');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
    throw failed(error.path ?? statePath, 'cannot be read', error);
  }
}
