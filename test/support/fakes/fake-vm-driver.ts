import { access, copyFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { addBase } from '../../../src/adapters/vmm/drive-base.ts';
import { checkDrives } from '../../../src/adapters/vmm/drive-check.ts';
import { openVmmLog, type VmmLog } from '../../../src/adapters/vmm/vmm-log.ts';
import {
  activityOf,
  endProcess,
  findVmms,
  isAlive,
  isSame,
  readVmmProcess,
  sendSignal,
  usageOf,
  valuesOf,
} from '../../../src/adapters/vmm/vmm-process.ts';
import { type Abortable, neverAborts, poll, sleep } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import { reportNoSpace } from '../../../src/base/files/no-space.ts';
import { spawnDetached } from '../../../src/base/process/exec.ts';
import { ResourceStack } from '../../../src/base/resource-stack.ts';
import type { SavedGuestParts } from '../../../src/core/ports/saved-by.ts';
import type { VmDriver } from '../../../src/core/ports/vmm/driver.ts';
import type { NetworkSpec } from '../../../src/core/ports/vmm/network.ts';
import type { RunningVm, VmmActivity, VmmProcess } from '../../../src/core/ports/vmm/running-vm.ts';
import type { DriveCopies, RestoreOptions, SavedGuest } from '../../../src/core/ports/vmm/saving.ts';
import type { DriveSpec, VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { growDrive, prepareDrives, prepareWorkDisk, readDrive } from './fake-drives.ts';

/** How the fake plays guests. */
export interface FakeVmDriverOptions {
  /**
   * The program that plays a guest. It serves the agent protocol on the Unix socket whose path follows
   * "--socket"; after a crash the driver finds it by that, as it finds a real VMM. See {@link agentGuest}.
   */
  guestArgv: (socketPath: string) => [string, ...string[]];
  /** called instead of changing a guest's network, which is the host's */
  onSetNetwork?: (network: NetworkSpec) => void;
  /** called when a guest gets another work disk, which waits for it */
  onReplaceDrive?: (drive: DriveSpec) => Promise<void>;
  /** callbacks for when a guest runs again after a pause, which the test plays */
  resumes?: Set<() => void>;
  /** guests can be saved, copied and restored: a save writes files, and a restore starts a new process */
  canSave?: boolean;
  /** the reported reason for which VMMs ended in an orderly way */
  howItEnded?: () => RunningVm['end'];
  /** the activity that VMMs report; `undefined`: the real one */
  playActivity?: () => VmmActivity | undefined;
  /** version; guests that another version saved cannot be restored; default: `fake 1` */
  vmmVersion?: string;
  /** the error of the next restore; absent: it succeeds */
  restoreError?: () => AppError | undefined;
  /** called before a running guest is copied or saved, which waits for it */
  beforeCopy?: (options: Abortable) => Promise<void>;
}

/** What the fake plays of VMMs. */
type Play = Required<Omit<FakeVmDriverOptions, 'guestArgv' | 'canSave' | 'vmmVersion' | 'restoreError'>>;

const TRUTH: Omit<Play, 'resumes'> = {
  onSetNetwork: () => {},
  onReplaceDrive: async () => {},
  beforeCopy: async () => {},
  playActivity: () => undefined,
  howItEnded: () => undefined,
};

/** The guest agent itself as the guest: commands run on this host, as this user. */
export function agentGuest(agentPath: string): FakeVmDriverOptions {
  return {
    guestArgv: (socketPath) => [
      ...([agentPath, 'serve', '--init', 'agent', '--socket', socketPath] as const),
      ...['--root', guestRootOf(dirname(socketPath))],
    ],
  };
}

/** The folder for the files of a fake guest's personalisation. */
export function guestRootOf(runtimeDir: string): string {
  return join(runtimeDir, 'guest-root');
}

/**
 * A driver without VMs. Each "VMM" is a process of this host that outlives this one and serves the guest's
 * socket. The driver keeps no state in memory, so that a driver in another process can adopt its VMMs. Drives
 * are sparse raw files that no guest sees. It passes those tests of `test/conformance/vm-driver` that need no
 * real guest.
 */
export function createFakeVmDriver({
  guestArgv,
  canSave = false,
  vmmVersion = 'fake 1',
  restoreError = () => undefined,
  ...played
}: FakeVmDriverOptions): VmDriver {
  const play: Play = { ...TRUTH, resumes: new Set(), ...played };
  return {
    name: 'fake',
    lacks: {},
    probeNetwork: async () => ({ isUsable: true }),
    probe: async () => ({
      isUsable: true,
      version: 'fake',
      accelerator: 'tcg',
      reason: 'there is no VM',
      ...(canSave ? { savedGuestKey: vmmVersion, savedGuestParts: fakeParts(vmmVersion) } : {}),
    }),
    prepareDrives,
    addBase,
    prepareWorkDisk,
    growDrive,
    readDrive,
    removeDrives: async (drives) => {
      for (const { isReadOnly, pathOnHost } of drives) if (!isReadOnly) await rm(pathOnHost, { force: true });
    },
    start: (spec, options) => start(spec, { ...options, guestArgv, play }),
    restore: async (spec, saved, { signal, onVmm, beforeRun }) => {
      await requireSaved(spec, saved);
      const error = restoreError();
      if (error) throw error;
      return await start(spec, { signal, guestArgv, play, onVmm, beforeRun });
    },
    adopt: async ({ runtimeDir }, { signal, onSilent }) => {
      const [guest] = await findGuests(runtimeDir);
      if (!guest) return undefined;
      const { vmm, path } = guest;
      if (await isStopped(vmm)) {
        onSilent?.();
        while (await isStopped(vmm)) await sleep(10, { signal });
      }
      return runningVm(vmm, { runtimeDir: dirname(path), play });
    },
    sweep: async () => {},
    listRunning: async ({ vmRuntimeDir }) => {
      const found = await findVmms(() => true);
      const sockets = found.flatMap(({ argv }) => valuesOf(argv, '--socket'));
      const folders = sockets.map(dirname).filter((folder) => dirname(folder) === vmRuntimeDir);
      return [...new Set(folders.map((folder) => basename(folder)))];
    },
    killStray: async ({ runtimeDir }, { except } = {}) => {
      const used = new Set<string>();
      for (const { vmm, path } of await findGuests(runtimeDir)) {
        if (isSame(vmm, except)) used.add(path);
        else await endProcess(vmm, { graceMs: 0 });
      }
      const names = await readdir(runtimeDir).catch(() => []);
      for (const dir of ['', ...names.filter((name) => name.startsWith('r-'))]) {
        const path = socketOf(join(runtimeDir, dir));
        if (!used.has(path)) await removeFilesOf(path);
      }
    },
  };
}

function fakeParts(vmmVersion: string): SavedGuestParts {
  const any = { name: 'any', token: '' };
  return { vmm: { name: vmmVersion, token: vmmVersion }, accelerator: any, processor: any, machine: any };
}

function socketOf(runtimeDir: string): string {
  return join(runtimeDir, 'agent.sock');
}

/** Removes what a VMM left. The files of a VM's own guest stay, for tests that read them. */
async function removeFilesOf(socketPath: string): Promise<void> {
  await rm(socketPath, { force: true });
  const runtimeDir = dirname(socketPath);
  const isSecond = basename(runtimeDir).startsWith('r-');
  if (isSecond) await rm(guestRootOf(runtimeDir), { recursive: true, force: true });
}

/**
 * The guests of a VM with their sockets. A guest that replaced another has its socket in a subfolder of the
 * VM's folder.
 */
async function findGuests(runtimeDir: string): Promise<{ vmm: VmmProcess; path: string }[]> {
  const socketsIn = (argv: readonly string[]): string[] =>
    valuesOf(argv, '--socket').filter((path) => [dirname(path), dirname(dirname(path))].includes(runtimeDir));
  const found = await findVmms((argv) => socketsIn(argv).length > 0);
  return found.flatMap(({ vmm, argv }) => socketsIn(argv).map((path) => ({ vmm, path })));
}

/** Returns whether the process is stopped by a signal (proc(5): state T). */
async function isStopped({ pid }: VmmProcess): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

async function start(
  spec: VmSpec,
  {
    guestArgv,
    play,
    onVmm,
    beforeRun,
    signal,
  }: Pick<FakeVmDriverOptions, 'guestArgv'> & { play: Play } & RestoreOptions,
): Promise<RunningVm> {
  signal.throwIfAborted();
  const { kernelPath, initrdPath } = spec.bootSource;
  for (const path of [kernelPath, initrdPath]) {
    await access(path).catch((error) => {
      throw new AppError(
        'VMM_START_FAILED',
        `Cannot start vm "${spec.vmName ?? spec.vmId}": "${path}" is missing`,
        {
          cause: error,
        },
      );
    });
  }
  await checkDrives(spec.drives);
  const guests = await findGuests(spec.runtimeDir);
  if (guests.some(({ path }) => dirname(path) === spec.runtimeDir)) {
    throw new AppError(
      'VMM_ALREADY_RUNS',
      `Cannot start vm "${spec.vmName ?? spec.vmId}": its VMM runs already`,
    );
  }
  const socketPath = socketOf(spec.runtimeDir);
  await rm(socketPath, { force: true });
  await using undo = new ResourceStack();
  await using console = await openVmmLog(spec.consoleLogPath);
  signal.throwIfAborted();
  undo.defer(`remove "${socketPath}"`, () => rm(socketPath, { force: true }));
  const child = await spawnDetached(guestArgv(socketPath), { outputFd: console.fd });
  const vmm = await readVmmProcess(child.pid);
  if (!vmm)
    throw new AppError(
      'VMM_START_FAILED',
      `Cannot start vm "${spec.vmName ?? spec.vmId}": its VMM ended at once`,
    );
  undo.defer(`kill process ${vmm.pid}`, () => endProcess(vmm, { graceMs: 0 }));
  onVmm?.();
  await poll(() => answers(spec, { vmm, console }), {
    everyMs: 2,
    deadlineMs: 55_000,
    what: 'the guest',
    signal,
  });
  beforeRun?.();
  undo.move();
  return runningVm(vmm, { runtimeDir: spec.runtimeDir, play, network: spec.network });
}

async function writeSaved({ vmId, memoryMib }: VmSpec, { memoryPath, statePath }: SavedGuest): Promise<void> {
  const write = async (): Promise<void> => {
    await writeFile(statePath, vmId, { flag: 'wx' });
    await writeFile(memoryPath, '', { flag: 'a' });
    await truncate(memoryPath, memoryMib * 2 ** 20);
  };
  await reportNoSpace(write, { what: 'the saved guest', dir: dirname(statePath) });
}

async function requireSaved(
  { vmId, memoryMib }: VmSpec,
  { memoryPath, statePath }: SavedGuest,
): Promise<void> {
  const problem = await Promise.all([readFile(statePath, 'utf8'), stat(memoryPath)]).then(
    ([state, { size }]) =>
      state.length === 12 && size === memoryMib * 2 ** 20 ? undefined : 'it is damaged',
    (error: Error) => error.message,
  );
  if (problem) throw new AppError('VMM_RESTORE_FAILED', `Cannot restore vm "${vmId}": ${problem}`);
}

async function answers(
  { vmId, runtimeDir }: VmSpec,
  { vmm, console }: { vmm: VmmProcess; console: VmmLog },
): Promise<true | undefined> {
  if (!(await isAlive(vmm))) {
    throw new AppError('VMM_START_FAILED', `Cannot start vm "${vmId}": ${await console.tail()}`);
  }
  return await listens(runtimeDir);
}

function listens(runtimeDir: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(socketOf(runtimeDir));
    socket.once('connect', () => resolve(true)).once('error', () => resolve(undefined));
    socket.once('connect', () => socket.destroy());
  });
}

interface RunningPlay {
  runtimeDir: string;
  play: Play;
  /** what its guest is connected to */
  network?: NetworkSpec;
}

function runningVm(vmm: VmmProcess, { runtimeDir, play, ...start }: RunningPlay): RunningVm {
  let { network } = start;
  let isDetached = false;
  const { promise: exited, resolve: gone } = Promise.withResolvers<void>();
  void watch();
  return {
    vmm,
    guestEndpoint: { kind: 'unix', path: socketOf(runtimeDir) },
    exited,
    isStalled: false,
    isPaused: false,
    get end() {
      return play.howItEnded();
    },
    usage: () => usageOf(vmm),
    responds: async () => (await isAlive(vmm)) && !(await isStopped(vmm)),
    activity: async () => play.playActivity() ?? (await activityOf(vmm)),
    networkProcess: undefined,
    setNetwork: async (changed) => {
      play.onSetNetwork(changed);
      network = changed;
    },
    networkState: async () => undefined,
    checkNetwork: async (target) =>
      network?.mode === 'user'
        ? { allowed: true, rule: target, steps: ['the guest is this host'] }
        : undefined,
    learnedNetwork: async () =>
      network?.mode === 'user' && network.policy?.mode === 'learn'
        ? { rules: [{ rule: 'learned.test:443', warnings: [], uses: 1 }] }
        : undefined,
    replaceDrive: async (drive) => {
      await checkDrives([drive]);
      await play.onReplaceDrive(drive);
      if (!(await isAlive(vmm))) throw new AppError('VMM_LOST', 'Cannot replace a drive: the VMM has ended');
    },
    kill: async () => {
      await endProcess(vmm, { graceMs: 0 });
      await removeFilesOf(socketOf(runtimeDir));
    },
    signal: async (name) => {
      await sendSignal(vmm, name);
    },
    save: async ({ spec, to }, { signal }) => {
      await play.beforeCopy({ signal });
      await writeSaved(spec, to);
      // A VMM that was killed meanwhile saves nothing; its end shows only after some milliseconds.
      await sleep(20, { signal });
      if (await listens(runtimeDir)) return;
      await Promise.all([rm(to.memoryPath, { force: true }), rm(to.statePath, { force: true })]);
      throw new AppError('VMM_LOST', 'Cannot save the guest: its VMM has ended');
    },
    capture: async ({ spec, to, drives }, { signal }) => {
      await play.beforeCopy({ signal });
      await writeSaved(spec, to);
      return await copyAll({ spec, drives });
    },
    copyDrives: async (request, { signal }) => {
      await play.beforeCopy({ signal });
      return await copyAll(request);
    },
    onResume: (listener) => void play.resumes.add(listener),
    detach: () => {
      isDetached = true;
    },
  };

  async function copyAll({ spec, drives }: DriveCopies): Promise<{ pausedMs: number }> {
    for (const { serial, pathOnHost } of drives) {
      const source = spec.drives.find((drive) => drive.serial === serial);
      const copy = (): Promise<void> => copyFile(source?.pathOnHost ?? '', pathOnHost);
      await reportNoSpace(copy, { what: serial, dir: dirname(pathOnHost) });
    }
    for (const tell of play.resumes) tell();
    return { pausedMs: 0 };
  }

  async function watch(): Promise<void> {
    while (!isDetached) {
      if (!(await isAlive(vmm))) return gone();
      await sleep(10, { signal: neverAborts() });
    }
  }
}
