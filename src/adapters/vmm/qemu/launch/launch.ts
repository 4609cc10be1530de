import { access, rm } from 'node:fs/promises';
import { type Abortable, neverAborts, sleep, withDeadline } from '../../../../base/abort.ts';
import { AppError, invariant, isAppError, isErrno } from '../../../../base/errors.ts';
import { reportNoSpace } from '../../../../base/files/no-space.ts';
import { spawnDetached } from '../../../../base/process/exec.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import type { VmmProcess } from '../../../../core/ports/vmm/running-vm.ts';
import type { RestoreOptions } from '../../../../core/ports/vmm/saving.ts';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { checkDrives } from '../../drive-check.ts';
import { whileItWorks } from '../../launch/while-it-works.ts';
import { logIsWritten } from '../../log-keeper.ts';
import { openVmmLog, type VmmLog } from '../../vmm-log.ts';
import { cpuMsOf, endProcess, readVmmProcess } from '../../vmm-process.ts';
import { MACHINES } from '../machine/machines.ts';
import type { QemuHost } from '../qemu-host.ts';
import { hangUp } from '../qmp/hang-up.ts';
import { connectQmp, type QmpClient } from '../qmp/qmp-client.ts';
import { type RuntimeFiles, runtimeFiles } from '../runtime-files.ts';
import { readState } from '../save/migration.ts';
import type { StartMode } from './argv.ts';
import { launchArgv } from './confine.ts';
import { disconnectNetwork } from './qemu-network.ts';

/** A running QEMU with its control connection. */
export interface LaunchedQemu {
  vmm: VmmProcess;
  qmp: QmpClient;
  files: RuntimeFiles;
}

const QMP_POLL_MS = 2;

/** How a QEMU is started; `onVmm` and `beforeRun` are called in mode `restore` only. */
export interface LaunchOptions extends RestoreOptions {
  host: QemuHost;
  env: NodeJS.ProcessEnv;
  /** default: `boot` */
  mode?: StartMode;
  /** open file that becomes QEMU's file descriptor 0 */
  inputFd?: number;
}

/**
 * Starts QEMU for `spec` and waits until its control socket answers and its guest runs. Leaves nothing after
 * a failure or an abort: no process, no socket, no pid file.
 *
 * @throws {AppError} VMM_START_FAILED (in mode `restore`: VMM_RESTORE_FAILED), VMM_DRIVE_INVALID,
 * VMM_ALREADY_RUNS, HOST_NO_SPACE.
 */
export async function launchQemu(spec: VmSpec, options: LaunchOptions): Promise<LaunchedQemu> {
  const place = { what: "the VMM's sockets", dir: spec.runtimeDir };
  return await reportNoSpace(() => launch(spec, options), place);
}

async function launch(spec: VmSpec, options: LaunchOptions): Promise<LaunchedQemu> {
  const { host, env, signal, mode = { kind: 'boot' }, inputFd, onVmm, beforeRun } = options;
  signal.throwIfAborted();
  const files = runtimeFiles(spec.runtimeDir);
  await requireBootSource(spec, host);
  await checkDrives(spec.drives);
  await removeStaleSockets(spec, files);
  await using undo = new ResourceStack();
  await using log = await openVmmLog(spec.vmmLogPath);
  signal.throwIfAborted();
  undo.defer('remove sockets', () => removeRuntimeFiles(files));
  const child = await spawnDetached(launchArgv(spec, host, mode), {
    outputFd: log.fd,
    env,
    cwd: spec.runtimeDir,
    ...(inputFd === undefined ? {} : { inputFd }),
  });
  const vmm = await readVmmProcess(child.pid);
  // A child that has already ended need not be killed; its exit is reported below.
  if (vmm) undo.defer(`kill process ${vmm.pid}`, () => endProcess(vmm, { graceMs: 0 }));
  let hasExited = false;
  void child.exited.then(() => {
    hasExited = true;
  });
  const cpuMs = async (): Promise<number | undefined> => vmm && (await cpuMsOf(vmm));
  const start: StartUnderWay = { spec, mode, log, files, hasExited: () => hasExited, cpuMs };
  const qmp = await connectWhenReady(start, { signal });
  undo.defer('close the control connection', () => qmp[Symbol.dispose]());
  if (mode.kind === 'restore') {
    onVmm?.();
    await readState(qmp, { signal });
  }
  await requireState(start, qmp, { signal, beforeRun });
  if (mode.kind === 'restore') await hangUp(qmp, { agentSocket: files.agentSocket, signal });
  invariant(vmm, 'a QEMU that answers is a process');
  undo.move();
  return { vmm, qmp, files };
}

/** What is known of a QEMU before it answers. */
interface StartUnderWay {
  spec: VmSpec;
  mode: StartMode;
  log: VmmLog;
  files: RuntimeFiles;
  hasExited: () => boolean;
  cpuMs: () => Promise<number | undefined>;
}

/** Deletes the sockets and the pid file of a QEMU that is gone. Idempotent. */
export async function removeRuntimeFiles({
  qmpSocket,
  agentSocket,
  saveSocket,
  pidFile,
}: RuntimeFiles): Promise<void> {
  for (const path of [qmpSocket, agentSocket, saveSocket, pidFile]) await rm(path, { force: true });
}

/** QEMU's run state of a guest that a failed write has paused. */
export const STALLED = 'io-error';

/** QEMU's run state (`RunState` of its QMP schema): `running`, `paused`, `internal-error`, ... */
export async function runState(qmp: QmpClient, options: Abortable): Promise<string> {
  const answer = await qmp.execute('query-status', {}, options);
  return typeof answer === 'object' && answer && 'status' in answer ? String(answer.status) : 'unknown';
}

async function connectWhenReady(start: StartUnderWay, { signal }: Abortable): Promise<QmpClient> {
  const attempt = async (inner: AbortSignal): Promise<QmpClient | undefined> => {
    if (start.hasExited()) throw await startFailed(start, 'QEMU exited immediately');
    try {
      return await connectQmp(start.files.qmpSocket, { signal: inner });
    } catch (error) {
      // The socket is missing, or was just removed: in that case the next attempt sees the exit.
      if (isErrno(error, 'ENOENT', 'ECONNREFUSED') || isAppError(error, 'VMM_LOST')) return undefined;
      throw error;
    }
  };
  const options = { cpuMs: start.cpuMs, what: 'the control socket of QEMU', signal };
  try {
    return await whileItWorks((inner) => untilDefined(() => attempt(inner), { signal: inner }), options);
  } catch (error) {
    if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
    throw await startFailed(start, error.message);
  }
}

/** Waits for the run state in which `mode` ends. */
async function requireState(
  start: StartUnderWay,
  qmp: QmpClient,
  { signal, beforeRun }: Abortable & Pick<LaunchOptions, 'beforeRun'>,
): Promise<void> {
  const { mode } = start;
  let hasRun = mode.kind === 'boot';
  const look = async (inner: AbortSignal): Promise<true | undefined> => {
    const state = await runState(qmp, { signal: inner });
    if (state === 'running') return true;
    if (!hasRun && state === 'inmigrate') return undefined;
    // QEMU takes on the state in which the guest was saved: paused, by a command or for lack of space.
    if (!hasRun && (state === 'paused' || state === STALLED)) {
      // Not earlier: QEMU reads the saved state of its own network only while it has one.
      if (mode.kind === 'restore' && mode.hasBuiltInNetwork) await disconnectNetwork(qmp, { signal: inner });
      beforeRun?.();
      await qmp.execute('cont', {}, { signal: inner });
      hasRun = true;
      return undefined;
    }
    // There is still no space. The guest has been restored; `StallWatch` retries.
    if (hasRun && state === STALLED) return true;
    throw await startFailed(start, `QEMU is in the state "${state}"`);
  };
  try {
    await whileItWorks((inner) => untilDefined(() => look(inner), { signal: inner }), {
      cpuMs: start.cpuMs,
      what: 'QEMU to read the saved guest',
      signal,
    });
  } catch (error) {
    if (isAppError(error, 'VMM_LOST')) throw await startFailed(start, 'QEMU exited immediately');
    if (isAppError(error, 'WAIT_TIMEOUT')) throw await startFailed(start, error.message);
    throw error;
  }
}

async function untilDefined<T>(attempt: () => Promise<T | undefined>, { signal }: Abortable): Promise<T> {
  for (;;) {
    const value = await attempt();
    if (value !== undefined) return value;
    await sleep(QMP_POLL_MS, { signal });
  }
}

/** A stale socket file would be mistaken for the new one. */
async function removeStaleSockets(
  { vmId, vmName = vmId }: VmSpec,
  { qmpSocket, agentSocket }: RuntimeFiles,
): Promise<void> {
  if (await isServed(qmpSocket)) {
    throw new AppError('VMM_ALREADY_RUNS', `Cannot start vm "${vmName}": its VMM runs already`, {
      hint: `stop it first: banger vm stop ${vmName}`,
      details: { vmId },
    });
  }
  for (const path of [qmpSocket, agentSocket]) await rm(path, { force: true });
}

async function isServed(qmpSocket: string): Promise<boolean> {
  try {
    const options = { signal: neverAborts(), deadlineMs: 500, what: 'a greeting' };
    using _other = await withDeadline((signal) => connectQmp(qmpSocket, { signal }), options);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED') || isAppError(error, 'VMM_LOST')) return false;
    // It listens, but serves another client.
    if (isAppError(error, 'WAIT_TIMEOUT') || isErrno(error, 'EAGAIN')) return true;
    throw error;
  }
}

async function requireBootSource(
  { vmId, vmName = vmId, bootSource }: VmSpec,
  { arch }: QemuHost,
): Promise<void> {
  for (const path of [MACHINES[arch].kernelFile(bootSource), bootSource.initrdPath]) {
    try {
      await access(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
      const state = error.code === 'EACCES' ? 'is not readable' : 'is missing';
      throw new AppError('VMM_START_FAILED', `Cannot start vm "${vmName}": "${path}" ${state}`, {
        hint: 'build the image again: banger image build',
        details: { vmId, path },
      });
    }
  }
}

async function startFailed({ spec, mode, log, hasExited }: StartUnderWay, state: string): Promise<AppError> {
  const { vmId, vmName = vmId, vmmLogPath } = spec;
  if (hasExited()) await logIsWritten(vmmLogPath);
  const tail = await log.tail();
  const isRestore = mode.kind === 'restore';
  return new AppError(
    isRestore ? 'VMM_RESTORE_FAILED' : 'VMM_START_FAILED',
    `Cannot ${isRestore ? 'restore' : 'start'} vm "${vmName}": ${state}${tail ? `: ${tail}` : ''}`,
    { hint: `see the VMM's log "${vmmLogPath}"`, details: { vmId, log: vmmLogPath } },
  );
}
