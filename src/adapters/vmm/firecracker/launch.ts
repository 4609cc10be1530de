import { once } from 'node:events';
import { access, rm } from 'node:fs/promises';
import { type Abortable, neverAborts, onAbort, sleep } from '../../../base/abort.ts';
import { AppError, invariant, isAppError, isErrno, messageOf } from '../../../base/errors.ts';
import { reportNoSpace } from '../../../base/files/no-space.ts';
import { spawnDetached } from '../../../base/process/exec.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { connectUnix } from '../../../base/unix-socket.ts';
import type { VmmProcess } from '../../../core/ports/vmm/running-vm.ts';
import type { VmSpec } from '../../../core/ports/vmm/spec.ts';
import { checkDrives } from '../drive-check.ts';
import { whileItWorks } from '../launch/while-it-works.ts';
import { logIsWritten } from '../log-keeper.ts';
import { openVmmLog, type VmmLog } from '../vmm-log.ts';
import { cpuMsOf, endProcess, readVmmProcess } from '../vmm-process.ts';
import { ApiClient } from './api-client.ts';
import { type FirecrackerHost, instanceId, launchArgv } from './launch-argv.ts';
import { bootRequests } from './requests.ts';
import { type RuntimeFiles, runtimeFiles } from './runtime-files.ts';

/** A running Firecracker. */
export interface LaunchedFirecracker {
  vmm: VmmProcess;
  api: ApiClient;
  files: RuntimeFiles;
  /** how it ended, when this process has started it */
  result?: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

const POLL_MS = 2;

/**
 * Starts Firecracker for `spec` and returns when its guest runs. Leaves nothing after a failure or an abort:
 * no process and no socket.
 *
 * @throws {AppError} VMM_START_FAILED with what Firecracker says, VMM_DRIVE_INVALID, VMM_ALREADY_RUNS,
 * HOST_NO_SPACE.
 */
export async function launchFirecracker(
  spec: VmSpec,
  options: Abortable & { host: FirecrackerHost; env: NodeJS.ProcessEnv },
): Promise<LaunchedFirecracker> {
  const place = { what: "the VMM's sockets", dir: spec.runtimeDir };
  return await reportNoSpace(() => launch(spec, options), place);
}

async function launch(
  spec: VmSpec,
  { host, env, signal }: Abortable & { host: FirecrackerHost; env: NodeJS.ProcessEnv },
): Promise<LaunchedFirecracker> {
  signal.throwIfAborted();
  const requests = bootRequests(spec);
  const files = runtimeFiles(spec.runtimeDir);
  await requireBootSource(spec);
  await checkDrives(spec.drives);
  await removeStaleSockets(spec, files);
  await using undo = new ResourceStack();
  await using log = await openVmmLog(spec.vmmLogPath);
  await using console = await openVmmLog(spec.consoleLogPath);
  signal.throwIfAborted();
  undo.defer('remove sockets', () => removeRuntimeFiles(files));
  const child = await spawnDetached(launchArgv(spec, host), {
    // Without the log keeper, its stdout is the console itself.
    outputFd: host.hostTools === undefined ? console.fd : log.fd,
    env,
    cwd: spec.runtimeDir,
  });
  const vmm = await readVmmProcess(child.pid);
  if (vmm) undo.defer(`kill process ${vmm.pid}`, () => endProcess(vmm, { graceMs: 0 }));
  let hasExited = false;
  void child.exited.then(() => {
    hasExited = true;
  });
  const start: StartUnderWay = { spec, files, logs: [log, console], hasExited: () => hasExited };
  const api = new ApiClient(files.apiSocket);
  try {
    await whileItWorks((inner) => untilServed(start, { signal: inner }), {
      cpuMs: async () => vmm && (await cpuMsOf(vmm)),
      what: 'the API socket of Firecracker',
      signal,
    });
    await requireOwn(start, api, { signal });
    for (const request of requests) await api.send(request, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error, 'VMM_REFUSED', 'VMM_LOST', 'VMM_PROTOCOL', 'WAIT_TIMEOUT')) throw error;
    throw await startFailed(start, error);
  }
  invariant(vmm, 'a Firecracker that answers is a process');
  undo.move();
  return { vmm, api, files, result: child.exited };
}

interface StartUnderWay {
  spec: VmSpec;
  files: RuntimeFiles;
  logs: readonly [VmmLog, VmmLog];
  hasExited: () => boolean;
}

/** Deletes the sockets of a Firecracker that is gone. Idempotent. */
export async function removeRuntimeFiles({ apiSocket, vsockSocket }: RuntimeFiles): Promise<void> {
  for (const path of [apiSocket, vsockSocket]) await rm(path, { force: true });
}

async function untilServed(start: StartUnderWay, { signal }: Abortable): Promise<void> {
  for (;;) {
    if (await isServed(start.files.apiSocket, { signal })) return;
    if (start.hasExited()) throw new AppError('VMM_LOST', 'Firecracker exited immediately');
    await sleep(POLL_MS, { signal });
  }
}

/** Whether a process listens on the socket. */
async function isServed(path: string, { signal }: Abortable): Promise<boolean> {
  const socket = connectUnix(path);
  using _abort = onAbort(signal, () => socket.destroy(signal.reason as Error));
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED', 'ENOTDIR')) return false;
    // Its backlog is full.
    if (isErrno(error, 'EAGAIN')) return true;
    throw error;
  } finally {
    socket.destroy();
  }
}

/** @throws {AppError} VMM_PROTOCOL when another program answers. */
async function requireOwn({ spec }: StartUnderWay, api: ApiClient, options: Abortable): Promise<void> {
  const { id, state } = await api.info(options);
  if (id === instanceId(spec.vmId) && state === 'Not started') return;
  throw new AppError('VMM_PROTOCOL', `its socket is served by "${id}", in the state "${state}"`);
}

/** A stale socket file makes Firecracker refuse to start. */
async function removeStaleSockets({ vmId, vmName = vmId }: VmSpec, files: RuntimeFiles): Promise<void> {
  if (await isServed(files.apiSocket, { signal: neverAborts() })) {
    throw new AppError('VMM_ALREADY_RUNS', `Cannot start vm "${vmName}": its VMM runs already`, {
      hint: `stop it first: banger vm stop ${vmName}`,
      details: { vmId },
    });
  }
  await removeRuntimeFiles(files);
}

async function requireBootSource({ vmId, vmName = vmId, bootSource }: VmSpec): Promise<void> {
  for (const path of [bootSource.vmlinuxPath, bootSource.initrdPath]) {
    if (path === undefined) continue;
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

async function startFailed({ spec, logs, hasExited }: StartUnderWay, cause: AppError): Promise<AppError> {
  const { vmId, vmName = vmId, vmmLogPath, consoleLogPath } = spec;
  if (hasExited()) await Promise.all([vmmLogPath, consoleLogPath].map(logIsWritten));
  // What it says before it has a log is on its stderr.
  const tails = (await Promise.all(logs.map((log) => log.tail()))).filter(Boolean);
  const state = [messageOf(cause), ...(isAppError(cause, 'VMM_REFUSED') ? [] : tails)].join(': ');
  return new AppError('VMM_START_FAILED', `Cannot start vm "${vmName}": ${state}`, {
    hint: `see the VMM's log "${vmmLogPath}"`,
    details: { vmId, log: vmmLogPath, ...cause.details },
    cause,
  });
}
