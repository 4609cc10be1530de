import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGuestConnector } from '../../../src/adapters/guest/connector.ts';
import type { WatchTimes } from '../../../src/adapters/guest/link-watch.ts';
import { qemuArgv } from '../../../src/adapters/vmm/qemu/launch/argv.ts';
import { hostTscKhz } from '../../../src/adapters/vmm/qemu/launch/boot-args.ts';
import { BootWatch } from '../../../src/adapters/vmm/qemu/launch/boot-watch.ts';
import { MACHINES } from '../../../src/adapters/vmm/qemu/machine/machines.ts';
import { connectQmp, type QmpClient } from '../../../src/adapters/vmm/qemu/qmp/qmp-client.ts';
import { runtimeFiles } from '../../../src/adapters/vmm/qemu/runtime-files.ts';
import { findByArgument } from '../../../src/adapters/vmm/vmm-process.ts';
import { type Abortable, poll, withDeadline } from '../../../src/base/abort.ts';
import { abortable } from '../../../src/base/async.ts';
import { isErrno } from '../../../src/base/errors.ts';
import { exec } from '../../../src/base/process/exec.ts';
import type { GuestAgent } from '../../../src/core/ports/guest.ts';
import type { StoredKernel } from '../../../src/core/ports/images/kernels.ts';
import type { DriveSpec } from '../../../src/core/ports/vmm/spec.ts';
import { nullLog } from '../../support/null-log.ts';
import { GUEST_ARCH } from './kernel.ts';

/** Enough for a boot, or for the end of one, on a busy host with emulation. */
const BOOT_DEADLINE_MS = 240_000;

/** A VM lives for as long as its tests do; they have deadlines of their own. */
const VM_DEADLINE_MS = 4 * 3_600_000;

/**
 * Less than the product's, so that tests need not wait long. On an idle host a boot reads its drives after
 * 1,000.
 */
const STUCK_CPU_MS = 5_000;

/** What to boot, without the product's use cases: any drives, any kernel command line. */
export interface BootRequest {
  /** scratch folder; console.log and the VMM's sockets go here */
  dir: string;
  kernel: StoredKernel;
  drives: readonly DriveSpec[];
  bootArgs: readonly string[];
  /** default 256 */
  memoryMib?: number;
  /** `ms` until the agent answers; default: enough for a small image on a busy host */
  bootDeadlineMs?: number;
  /** how often it may restart while it boots; default: as often as in the product */
  mostRestarts?: number;
  /** how long its agent may be silent; default: the product's */
  watchTimes?: WatchTimes;
}

/** A VM under test. Disposing kills it. */
export interface TestVm extends AsyncDisposable {
  readonly consoleLogPath: string;
  /** Waits for the agent; the caller disposes the link. */
  connect(): Promise<GuestAgent>;
  /** Waits until the VM ends by itself, and returns the lines of its console. */
  ended(): Promise<string[]>;
  /** Ends the VM as a power cut does. Idempotent. */
  kill(): Promise<void>;
}

/** Boots a VM with the product's QEMU command line. */
export async function bootVm(request: BootRequest, { signal }: Abortable): Promise<TestVm> {
  const runtimeDir = join(request.dir, `run-${randomBytes(3).toString('hex')}`);
  await mkdir(runtimeDir, { mode: 0o700 });
  const consoleLogPath = join(runtimeDir, 'console.log');
  const stop = new AbortController();
  const qemu = exec(await argvOf(request, { runtimeDir, consoleLogPath }), {
    signal: AbortSignal.any([signal, stop.signal]),
    graceMs: 0,
    deadlineMs: VM_DEADLINE_MS,
  });
  qemu.catch(() => {});
  const qmp = await poll(() => connectWhenThere(runtimeDir, { signal }), {
    everyMs: 2,
    deadlineMs: BOOT_DEADLINE_MS,
    what: 'the control socket of QEMU',
    signal,
  });
  const [vmm] = await findByArgument('-pidfile', runtimeFiles(runtimeDir).pidFile);
  if (vmm) {
    new BootWatch({
      ...{ qmp, vmm, log: nullLog, vmId: 'agent-boot-test', stuckCpuMs: STUCK_CPU_MS },
      ...(request.mostRestarts === undefined ? {} : { mostRestarts: request.mostRestarts }),
    });
  }
  const kill = async (): Promise<void> => {
    stop.abort();
    await qemu.catch(() => {});
    qmp[Symbol.dispose]();
  };
  return {
    consoleLogPath,
    connect: () =>
      createGuestConnector(request.watchTimes ? { watchTimes: request.watchTimes } : {}).connect(
        { kind: 'unix', path: runtimeFiles(runtimeDir).agentSocket },
        { signal, helloDeadlineMs: request.bootDeadlineMs ?? BOOT_DEADLINE_MS },
      ),
    ended: async () => {
      await withDeadline((deadline) => abortable(qemu, deadline), {
        signal,
        deadlineMs: BOOT_DEADLINE_MS,
        what: 'the VM to end',
      });
      return await readLines(consoleLogPath);
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

async function argvOf(
  { kernel, drives, bootArgs, memoryMib = 256 }: BootRequest,
  logs: { runtimeDir: string; consoleLogPath: string },
): Promise<[string, ...string[]]> {
  const tscKhz = hostTscKhz(await readFile('/proc/cpuinfo', 'utf8'));
  const spec = {
    vmId: 'agent-boot-test',
    vcpuCount: 2,
    memoryMib,
    accelerator: 'tcg' as const,
    bootSource: { ...kernel, bootArgs },
    drives,
    network: { mode: 'none' } as const,
    ...logs,
    vmmLogPath: '/dev/null',
  };
  const machine = MACHINES[GUEST_ARCH].typeIn(new Set());
  const host = { binary: MACHINES[GUEST_ARCH].program, arch: GUEST_ARCH, machine };
  return qemuArgv(spec, tscKhz === undefined ? host : { ...host, tscKhz });
}

async function connectWhenThere(runtimeDir: string, options: Abortable): Promise<QmpClient | undefined> {
  try {
    return await connectQmp(runtimeFiles(runtimeDir).qmpSocket, options);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED')) return undefined;
    throw error;
  }
}

async function readLines(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split(/\r?\n/).filter(Boolean);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
